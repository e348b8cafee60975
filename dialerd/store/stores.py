"""All that the database offers, over one pool."""

from collections.abc import Mapping

from dialerd.domain.compliance import Profile
from dialerd.store.accounts import AccountStore
from dialerd.store.activity import ActivityStore
from dialerd.store.agents import AgentStore
from dialerd.store.attempts import AttemptStore
from dialerd.store.audit_log import AuditLog
from dialerd.store.caller_ids import CallerIdStore
from dialerd.store.campaigns import CampaignStore
from dialerd.store.crm_sources import CrmSourceStore
from dialerd.store.dispositions import DispositionStore
from dialerd.store.dnc import DncStore
from dialerd.store.evidence import EvidenceStore
from dialerd.store.history import HistoryStore
from dialerd.store.idempotency import IdempotencyStore
from dialerd.store.jobs import JobStore
from dialerd.store.leads import LeadStore
from dialerd.store.live import LiveStore
from dialerd.store.media import MediaStore
from dialerd.store.menus import MenuStore
from dialerd.store.nodes import NodeStore
from dialerd.store.offers import OfferStore
from dialerd.store.outbox import OutboxStore
from dialerd.store.pbx import PbxStore
from dialerd.store.pool import Pool
from dialerd.store.progress import ProgressStore
from dialerd.store.purge import PurgeStore
from dialerd.store.recordings import RecordingStore
from dialerd.store.users import UserStore
from dialerd.store.webhooks import WebhookStore


class Stores:
    """`profiles` are the compliance profiles that a campaign may name."""

    def __init__(self, pool: Pool, profiles: Mapping[str, Profile]) -> None:
        self.profiles = profiles
        self.accounts = AccountStore(pool)
        self.activity = ActivityStore(pool)
        self.agents = AgentStore(pool)
        self.attempts = AttemptStore(pool, profiles)
        self.audit_log = AuditLog(pool)
        self.caller_ids = CallerIdStore(pool)
        self.campaigns = CampaignStore(pool, profiles)
        self.crm_sources = CrmSourceStore(pool)
        self.dispositions = DispositionStore(pool)
        self.dnc = DncStore(pool)
        self.evidence = EvidenceStore(pool, profiles)
        self.history = HistoryStore(pool)
        self.idempotency = IdempotencyStore(pool)
        self.jobs = JobStore(pool)
        self.leads = LeadStore(pool)
        self.live = LiveStore(pool)
        self.media = MediaStore(pool)
        self.menus = MenuStore(pool)
        self.nodes = NodeStore(pool)
        self.offers = OfferStore(pool, profiles)
        self.outbox = OutboxStore(pool)
        self.pbx = PbxStore(pool)
        self.progress = ProgressStore(pool)
        self.purge = PurgeStore(pool)
        self.recordings = RecordingStore(pool)
        self.users = UserStore(pool)
        self.webhooks = WebhookStore(pool)
