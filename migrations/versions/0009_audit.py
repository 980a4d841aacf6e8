"""The audit: an append-only history of typed events, chained by hash.

Triggers write what is done, whoever does it and by whatever way; no role inserts an event by itself, and none may
change or delete one. An event gets its place in the chain at the very end of its transaction, under a lock: two
processes cannot both follow the same event, and nobody waits for the lock while something else is still done.
An event holds no text that a person typed and no address: of those it holds the SHA-256.
"""

from alembic import op

from masterplan.actors import Role
from masterplan.database import role_of

revision = "0009"
down_revision = "0008"

PLANNER, ADMINISTRATOR = role_of(Role.PLANNER), role_of(Role.ADMINISTRATOR)
PEOPLE = ", ".join(role_of(role) for role in (Role.VISITOR, Role.STAKEHOLDER, Role.UAT))
SYSTEM = role_of(Role.SYSTEM)


def upgrade() -> None:
    for statement in (EVENTS, CHAIN, GUARD, LOCKS, NOTE, PROPOSALS, ACCOUNTS, SETS, ASSESSMENTS, BEGINNING):
        op.execute(statement)


_AS_OWNER = "SECURITY DEFINER SET search_path = masterplan, public, pg_temp"

EVENTS = """
CREATE TABLE masterplan.event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number bigint UNIQUE CHECK (number > 0),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL CHECK (kind ~ '^[a-z_]{3,40}$'),
    role text NOT NULL,
    who text NOT NULL,
    subject_kind text NOT NULL CHECK (subject_kind IN ('proposal', 'account', 'criteria_set', 'edition', 'layer')),
    subject text NOT NULL,
    before jsonb,
    after jsonb,
    previous bytea UNIQUE,
    hash bytea,
    CHECK ((number IS NULL) = (hash IS NULL) AND (number IS NULL) = (previous IS NULL))
);
COMMENT ON TABLE masterplan.event IS 'Who did what and when, before and after; append-only, chained by SHA-256.';
COMMENT ON COLUMN masterplan.event.who IS 'The number of an account; nothing where nobody was signed in.';
CREATE INDEX event_subject ON masterplan.event (subject_kind, subject, id);
"""

# Each part is written as its length and itself, so that no two events can be written alike.
CHAIN = f"""
CREATE FUNCTION masterplan.event_part(written text) RETURNS bytea IMMUTABLE LANGUAGE sql
    RETURN CASE WHEN written IS NULL THEN '-'::bytea
        ELSE convert_to(octet_length(convert_to(written, 'UTF8')) || ':' || written, 'UTF8') END;

CREATE FUNCTION masterplan.chain_event() RETURNS trigger LANGUAGE plpgsql {_AS_OWNER} AS $$
DECLARE
    latest event;
    before_it bytea;
    place bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('masterplan audit', 0));
    SELECT * INTO latest FROM event WHERE number IS NOT NULL ORDER BY number DESC LIMIT 1;
    place := coalesce(latest.number, 0) + 1;
    before_it := coalesce(latest.hash, sha256('masterplan'));
    UPDATE event SET number = place, previous = before_it, hash = sha256(before_it
        || event_part(place::text) || event_part(((extract(epoch FROM at) * 1000000)::bigint)::text)
        || event_part(kind) || event_part(role) || event_part(who) || event_part(subject_kind) || event_part(subject)
        || event_part(before::text) || event_part(after::text))
        WHERE id = NEW.id;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER chain AFTER INSERT ON masterplan.event DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION masterplan.chain_event();
"""

GUARD = """
CREATE FUNCTION masterplan.keep_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.number := NULL; NEW.previous := NULL; NEW.hash := NULL;
        RETURN NEW;
    ELSIF TG_OP = 'UPDATE' THEN
        IF OLD.hash IS NULL AND (NEW.id, NEW.at, NEW.kind, NEW.role, NEW.who, NEW.subject_kind, NEW.subject, NEW.before,
            NEW.after) IS NOT DISTINCT FROM (OLD.id, OLD.at, OLD.kind, OLD.role, OLD.who, OLD.subject_kind, OLD.subject,
            OLD.before, OLD.after)
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE insufficient_privilege USING MESSAGE = 'the history is append-only';
END $$;
CREATE TRIGGER keep BEFORE INSERT OR UPDATE OR DELETE ON masterplan.event
    FOR EACH ROW EXECUTE FUNCTION masterplan.keep_events();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON masterplan.event
    FOR EACH STATEMENT EXECUTE FUNCTION masterplan.keep_events();
"""

_OF_A_SEEN_ONE = (
    "EXISTS (SELECT FROM masterplan.proposal p WHERE p.id = CASE subject_kind WHEN 'proposal' THEN subject::bigint END)"
)

LOCKS = f"""
ALTER TABLE masterplan.event ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_reads ON masterplan.event FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner_appends ON masterplan.event FOR INSERT TO CURRENT_USER WITH CHECK (true);
CREATE POLICY owner_chains ON masterplan.event FOR UPDATE TO CURRENT_USER USING (true);
CREATE POLICY planners_read ON masterplan.event FOR SELECT TO {PLANNER} USING (subject_kind <> 'account');
CREATE POLICY administrators_read ON masterplan.event FOR SELECT TO {ADMINISTRATOR} USING (true);
CREATE POLICY system_reads ON masterplan.event FOR SELECT TO {SYSTEM} USING (true);
-- What is done in the open: of a submission that the reader may see, and of what everyone may.
CREATE POLICY public_history ON masterplan.event FOR SELECT TO {PEOPLE} USING (
    subject_kind IN ('criteria_set', 'edition', 'layer')
    OR ({_OF_A_SEEN_ONE} AND kind IN ('proposal_submitted', 'proposal_corrected',
        'proposal_moderated', 'proposal_withdrawn', 'proposal_linked', 'decision_published', 'decision_reopened'))
);
GRANT SELECT ON masterplan.event TO {PLANNER}, {ADMINISTRATOR}, {SYSTEM};
GRANT SELECT (id, number, at, kind, role, subject_kind, subject, before, after) ON masterplan.event TO {PEOPLE};
"""

NOTE = f"""
CREATE FUNCTION masterplan.note_event(
    what text, about_kind text, about text, was jsonb, is_now jsonb
) RETURNS void LANGUAGE sql {_AS_OWNER} AS $$
    INSERT INTO event (kind, role, who, subject_kind, subject, before, after) VALUES (what,
        coalesce(nullif(current_setting('masterplan.role', true), ''), 'owner'),
        coalesce(current_setting('masterplan.user', true), ''), about_kind, about, was, is_now)
$$;
REVOKE EXECUTE ON FUNCTION masterplan.note_event, masterplan.event_part, masterplan.chain_event, masterplan.keep_events
    FROM PUBLIC;
"""

PROPOSALS = f"""
CREATE FUNCTION masterplan.content_of(p masterplan.proposal) RETURNS jsonb IMMUTABLE LANGUAGE sql
    RETURN jsonb_build_object('theme', p.theme, 'sha256', encode(sha256(convert_to(jsonb_build_array(
        p.title, p.description, p.author_kind, p.attributes, p.budget_lei, p.documentation_stage, p.on_behalf_of,
        encode(ST_AsEWKB(p.geom), 'hex'))::text, 'UTF8')), 'hex'));
COMMENT ON FUNCTION masterplan.content_of IS 'What an event keeps of what a person wrote: its theme, and a digest.';

CREATE FUNCTION masterplan.note_submissions() RETURNS trigger LANGUAGE plpgsql {_AS_OWNER} AS $$
BEGIN
    -- Demonstration rows are made and cleared a hundred thousand at a time, and nobody brought them.
    PERFORM note_event('proposal_submitted', 'proposal', p.id::text, NULL, content_of(p)
        || jsonb_build_object('kind', p.kind, 'status', p.status, 'channel', p.channel, 'edition', p.edition,
            'criteria_set', p.criteria_set)) FROM new_rows p WHERE NOT p.demo;
    RETURN NULL;
END $$;
CREATE TRIGGER note_submissions AFTER INSERT ON masterplan.proposal REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION masterplan.note_submissions();

CREATE FUNCTION masterplan.note_changes() RETURNS trigger LANGUAGE plpgsql {_AS_OWNER} AS $$
BEGIN
    PERFORM note_event('proposal_corrected', 'proposal', n.id::text, content_of(o), content_of(n))
        FROM new_rows n JOIN old_rows o USING (id) WHERE content_of(n) <> content_of(o);
    PERFORM note_event(CASE n.status WHEN 'withdrawn' THEN 'proposal_withdrawn' ELSE 'proposal_moderated' END,
            'proposal', n.id::text, jsonb_build_object('status', o.status), jsonb_build_object('status', n.status))
        FROM new_rows n JOIN old_rows o USING (id) WHERE n.status <> o.status;
    RETURN NULL;
END $$;
CREATE TRIGGER note_changes AFTER UPDATE ON masterplan.proposal
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION masterplan.note_changes();

CREATE FUNCTION masterplan.note_deletions() RETURNS trigger LANGUAGE plpgsql {_AS_OWNER} AS $$
BEGIN
    PERFORM note_event('proposal_deleted', 'proposal', o.id::text, content_of(o), NULL) FROM old_rows o WHERE NOT o.demo;
    RETURN NULL;
END $$;
CREATE TRIGGER note_deletions AFTER DELETE ON masterplan.proposal REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION masterplan.note_deletions();
REVOKE EXECUTE ON FUNCTION masterplan.content_of, masterplan.note_submissions, masterplan.note_changes,
    masterplan.note_deletions FROM PUBLIC;
"""

# An invitation is to an address, which no event holds.
ACCOUNTS = f"""
CREATE FUNCTION masterplan.note_roles() RETURNS trigger LANGUAGE plpgsql {_AS_OWNER} AS $$
DECLARE
    was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN jsonb_build_object('role', OLD.role, 'uats', OLD.uats) END;
    is_now jsonb := CASE WHEN TG_OP <> 'DELETE' THEN jsonb_build_object('role', NEW.role, 'uats', NEW.uats) END;
    about text := '';
BEGIN
    IF TG_TABLE_NAME = 'account_role' THEN
        about := coalesce(NEW.account_id, OLD.account_id)::text;
    END IF;
    IF was IS DISTINCT FROM is_now THEN
        PERFORM note_event(CASE TG_TABLE_NAME WHEN 'invitation' THEN 'invitation_' ELSE 'role_' END
            || CASE TG_OP WHEN 'INSERT' THEN 'given' WHEN 'UPDATE' THEN 'changed' ELSE 'taken' END,
            'account', about, was, is_now);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER note_roles AFTER INSERT OR UPDATE OR DELETE ON masterplan.account_role
    FOR EACH ROW EXECUTE FUNCTION masterplan.note_roles();
CREATE TRIGGER note_invitations AFTER INSERT OR UPDATE OR DELETE ON masterplan.invitation
    FOR EACH ROW EXECUTE FUNCTION masterplan.note_roles();

CREATE FUNCTION masterplan.note_accounts() RETURNS trigger LANGUAGE plpgsql {_AS_OWNER} AS $$
BEGIN
    PERFORM note_event(CASE WHEN NEW.disabled_at IS NULL THEN 'account_enabled' ELSE 'account_disabled' END, 'account',
        NEW.id::text, jsonb_build_object('disabled', OLD.disabled_at IS NOT NULL),
        jsonb_build_object('disabled', NEW.disabled_at IS NOT NULL));
    RETURN NULL;
END $$;
CREATE TRIGGER note_accounts AFTER UPDATE ON masterplan.account FOR EACH ROW
    WHEN ((OLD.disabled_at IS NULL) <> (NEW.disabled_at IS NULL)) EXECUTE FUNCTION masterplan.note_accounts();
REVOKE EXECUTE ON FUNCTION masterplan.note_roles, masterplan.note_accounts FROM PUBLIC;
"""

SETS = f"""
CREATE FUNCTION masterplan.note_sets() RETURNS trigger LANGUAGE plpgsql {_AS_OWNER} AS $$
DECLARE
    was jsonb := CASE TG_OP WHEN 'UPDATE' THEN to_jsonb(OLD) END;
    is_now jsonb := to_jsonb(NEW);
    kept text[] := ARRAY['status', 'sha256', 'label', 'version', 'file_sha256', 'edition'];
BEGIN
    SELECT jsonb_object_agg(key, value) INTO was FROM jsonb_each(was) WHERE key = ANY (kept);
    SELECT jsonb_object_agg(key, value) INTO is_now FROM jsonb_each(is_now) WHERE key = ANY (kept);
    IF was IS DISTINCT FROM is_now THEN
        PERFORM note_event(TG_ARGV[0] || CASE TG_OP WHEN 'INSERT' THEN '_added' ELSE '_changed' END, TG_ARGV[0],
            to_jsonb(NEW) ->> TG_ARGV[1], was, is_now);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER note_sets AFTER INSERT OR UPDATE ON masterplan.criteria_set
    FOR EACH ROW EXECUTE FUNCTION masterplan.note_sets('criteria_set', 'version');
CREATE TRIGGER note_editions AFTER INSERT OR UPDATE ON masterplan.edition
    FOR EACH ROW EXECUTE FUNCTION masterplan.note_sets('edition', 'id');
CREATE TRIGGER note_layers AFTER INSERT ON masterplan.layer_version
    FOR EACH ROW EXECUTE FUNCTION masterplan.note_sets('layer', 'layer_id');
REVOKE EXECUTE ON FUNCTION masterplan.note_sets FROM PUBLIC;
"""

# The reason is a person's words: its digest, like all of those.
ASSESSMENTS = f"""
CREATE FUNCTION masterplan.note_assessments() RETURNS trigger LANGUAGE plpgsql {_AS_OWNER} AS $$
DECLARE
    made jsonb := to_jsonb(NEW);
BEGIN
    PERFORM note_event('assessment_made', 'proposal', NEW.proposal_id::text, NULL,
        (made - ARRAY['id', 'proposal_id', 'account', 'made_at', 'reason'])
        || jsonb_build_object('reason_sha256', encode(sha256(convert_to(made ->> 'reason', 'UTF8')), 'hex')));
    RETURN NULL;
END $$;
CREATE TRIGGER note_assessments AFTER INSERT ON masterplan.assessment
    FOR EACH ROW EXECUTE FUNCTION masterplan.note_assessments();
REVOKE EXECUTE ON FUNCTION masterplan.note_assessments FROM PUBLIC;
"""

# What is there already has a beginning too. The owner sees no submissions: they are noted as the one who moves the
# tables, for the moment with a policy of its own.
BEGINNING = """
CREATE POLICY beginning ON masterplan.proposal FOR SELECT TO CURRENT_USER USING (true);
DO $$ BEGIN
    PERFORM masterplan.note_event('proposal_submitted', 'proposal', p.id::text, NULL, masterplan.content_of(p)
        || jsonb_build_object('kind', p.kind, 'status', p.status, 'channel', p.channel, 'edition', p.edition,
            'criteria_set', p.criteria_set, 'before_the_audit', true)) FROM masterplan.proposal p WHERE NOT p.demo ORDER BY p.id;
END $$;
SET CONSTRAINTS ALL IMMEDIATE;
DROP POLICY beginning ON masterplan.proposal;
"""
