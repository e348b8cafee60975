"""The words that dialerd and the dialplan share. Each is explained in asterisk-config/README.md; nothing else spells them."""

APP = "DIALERD_APP"
ATTEMPT = "__DIALERD_ATTEMPT"  # inherited by every channel that the call creates
CAMPAIGN = "DIALERD_CAMPAIGN"
QUEUE = "DIALERD_QUEUE"
RECORD = "DIALERD_RECORD"
MESSAGE = "DIALERD_MESSAGE"
HOLD_LIMIT = "DIALERD_HOLD_LIMIT"
HUNT_TIMEOUT = "__DIALERD_HUNT_TIMEOUT"
LEAD_CHANNEL = "DIALERD_LEAD_CHANNEL"
AGENT_CHANNEL = "DIALERD_AGENT_CHANNEL"
AGENT_LIMIT = "DIALERD_AGENT_LIMIT"
SIGN_OF_NODE = "DIALERD_NODE_{name}"  # a global variable; the node's name in hexadecimal digits
SIGN_OF_APP = (
    "DIALERD_APP_{name}"  # the same for a Stasis application: whoever holds it changes the value again and again
)
MASK = "DIALERD_MASK"
RECORDING = "DIALERD_RECORDING"
RECORD_ALL = "DIALERD_RECORD_ALL"
DETECT_MACHINE = "DIALERD_DETECT_MACHINE"
SKILL = "__DIALERD_SKILL"
EXTENSION = "__DIALERD_EXTENSION"
HEADER = "__DIALERD_HEADER_{n}"  # counted from 1
MOMENT = "DIALERD_MOMENT"  # this and the next ones: of the custom contexts
LEAD = "DIALERD_LEAD"
NUMBER = "DIALERD_NUMBER"
AGENT = "DIALERD_AGENT"
OUTCOME = "DIALERD_OUTCOME"
TALK = "DIALERD_TALK_S"
OF_ATTEMPT = "DIALERD_ATTEMPT"
SIP_HEADER = "PJSIP_HEADER(add,X-Dialerd-{name})"

ON = "1"
"""Of a variable that is a switch. Empty, or not there, is off."""

ANSWERED_CONTEXT = "dialerd-answered"
HUNT_CONTEXT = "dialerd-hunt"
HUNTED_CONTEXT = "dialerd-hunted"
LEAD_DATA_CONTEXT = "dialerd-lead-data"
QUEUE_CONTEXT = "dialerd-queue"
MESSAGE_CONTEXT = "dialerd-message"
START = "s"

DNC_CONTEXT = "dialerd-dnc"
CALLBACK_CONTEXT = "dialerd-callback"
CALLBACK_CONNECT_CONTEXT = "dialerd-callback-connect"
OPT_OUT_CONTEXT = "dialerd-optout"
HOOK_CONTEXTS = (DNC_CONTEXT, CALLBACK_CONTEXT, CALLBACK_CONNECT_CONTEXT, OPT_OUT_CONTEXT)
"""Of extensions_dialerd_hooks.conf, which a site may do without."""
CUSTOM_CONTEXT = "dialerd-custom"
CUSTOM_CONTEXT_OF = "dialerd-custom-{moment}"

CONTEXTS = (ANSWERED_CONTEXT, HUNT_CONTEXT, HUNTED_CONTEXT, LEAD_DATA_CONTEXT, QUEUE_CONTEXT, MESSAGE_CONTEXT)

LEAD_LEG = "lead"
AGENT_LEG = "agent"
ABSOLUTE_TIMEOUT = "TIMEOUT(absolute)"

MESSAGE_EVENT = "DialerdMessage"
OPT_OUT_EVENT = "DialerdOptOut"
CALLER_EVENT = "DialerdCaller"
CALLER_RINGS_EVENT = "DialerdCallerRings"
CALLER_TALKS_EVENT = "DialerdCallerTalks"
OPT_OUT_FAMILY = "dialerd-optout"
"""Of Asterisk's database: `<family>/<attempt>` = epoch seconds."""
OPT_OUT_LINE_FAMILY = "dialerd-optout-line"
"""Of Asterisk's database: `<family>/<caller's number>` = `<epoch seconds>:<account, percent-encoded>`."""
