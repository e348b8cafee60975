"""The words that dialerd and the dialplan share. Each is explained in asterisk-config/README.md; nothing else spells them."""

APP = "DIALERD_APP"
ATTEMPT = "__DIALERD_ATTEMPT"  # inherited by every channel that the call creates
CAMPAIGN = "DIALERD_CAMPAIGN"
QUEUE = "DIALERD_QUEUE"
MESSAGE = "DIALERD_MESSAGE"
HOLD_LIMIT = "DIALERD_HOLD_LIMIT"
HUNT_TIMEOUT = "__DIALERD_HUNT_TIMEOUT"
LEAD_CHANNEL = "DIALERD_LEAD_CHANNEL"

ANSWERED_CONTEXT = "dialerd-answered"
HUNT_CONTEXT = "dialerd-hunt"
HUNTED_CONTEXT = "dialerd-hunted"
QUEUE_CONTEXT = "dialerd-queue"
MESSAGE_CONTEXT = "dialerd-message"
START = "s"

CONTEXTS = (ANSWERED_CONTEXT, HUNT_CONTEXT, HUNTED_CONTEXT, QUEUE_CONTEXT, MESSAGE_CONTEXT)

LEAD_LEG = "lead"
AGENT_LEG = "agent"
ABSOLUTE_TIMEOUT = "TIMEOUT(absolute)"
