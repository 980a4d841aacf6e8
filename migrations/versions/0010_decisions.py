"""Decisions by two people, with reasons; what was published of them; the registry; what came of an observation.

Each step is a row that nobody changes. A trigger keeps the state machine (`proposals/deciding.py` is the same table):
it says who the person is, in which state the decision is and what follows; whatever a page forgets is refused here.
"""

from alembic import op

from masterplan.actors import Role
from masterplan.database import EVERYONE, GATE_ROLE, OGC_ROLE, PUBLIC_ROLE, role_of

revision = "0010"
down_revision = "0009"

STAFF = f"{role_of(Role.PLANNER)}, {role_of(Role.ADMINISTRATOR)}"
PEOPLE = ", ".join(role_of(role) for role in (Role.VISITOR, Role.STAKEHOLDER, Role.UAT))
SYSTEM = role_of(Role.SYSTEM)
_AS_OWNER = "SECURITY DEFINER SET search_path = masterplan, public, pg_temp"
_OUTCOMES = "('integrate', 'integrate_partly', 'ask_for_changes', 'reject', 'redirect')"


def upgrade() -> None:
    for statement in (TABLES, STANDING, FACTS, MOVES, LOCKS, REGISTRY, LINKS, SHOWN):
        op.execute(statement)


# What is published of a decision names no person.
TABLES = f"""
DROP TABLE masterplan.decision;

CREATE TABLE masterplan.decision_setting (
    id integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    answer_days integer NOT NULL CHECK (answer_days BETWEEN 0 AND 365)
);
COMMENT ON COLUMN masterplan.decision_setting.answer_days IS
    'How long the submitter and each UAT concerned may answer before a confirmed decision is published.';
INSERT INTO masterplan.decision_setting (answer_days) VALUES (10);

CREATE FUNCTION masterplan.acting_person() RETURNS text STABLE LANGUAGE sql
    RETURN coalesce(masterplan.acting_account()::text, 'session '
        || left(encode(sha256(convert_to(masterplan.acting_session(), 'UTF8')), 'hex'), 12));
COMMENT ON FUNCTION masterplan.acting_person IS
    'Who is not signed in (the demonstration, a visitor) is the browser session, told by a digest.';

CREATE TABLE masterplan.decision_step (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    proposal_id bigint NOT NULL REFERENCES masterplan.proposal ON DELETE CASCADE,
    action text NOT NULL CHECK (action IN ('recommend', 'confirm', 'challenge', 'take_back', 'declare_interest', 'answer',
        'reconsider', 'publish', 'reopen')),
    outcome text CHECK (outcome IN {_OUTCOMES}),
    reason_ro text NOT NULL DEFAULT '' CHECK (length(reason_ro) <= 10000),
    reason_en text NOT NULL DEFAULT '' CHECK (length(reason_en) <= 10000),
    reason_keys text[] NOT NULL DEFAULT '{{}}',
    redirected_to text NOT NULL DEFAULT '' CHECK (length(redirected_to) <= 300),
    departure text NOT NULL DEFAULT '' CHECK (length(departure) <= 10000),
    comment text NOT NULL DEFAULT '' CHECK (length(comment) <= 10000),
    -- Filled in by the trigger, whatever was given.
    person text NOT NULL DEFAULT '',
    account bigint REFERENCES masterplan.account ON DELETE SET NULL,
    recommendation text,
    criteria_set text,
    total double precision,
    concerned text[] NOT NULL DEFAULT '{{}}',
    received_at timestamptz,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((action = 'recommend') = (outcome IS NOT NULL)),
    CHECK (action <> 'recommend' OR (length(btrim(reason_ro)) >= 3 AND length(btrim(reason_en)) >= 3)),
    CHECK ((outcome IS NOT DISTINCT FROM 'redirect') = (length(btrim(redirected_to)) >= 3)),
    CHECK (action NOT IN ('challenge', 'declare_interest', 'answer', 'reconsider', 'reopen')
        OR length(btrim(comment)) >= 3)
);
COMMENT ON TABLE masterplan.decision_step IS 'What each person did about a decision; append-only.';
CREATE INDEX decision_step_proposal ON masterplan.decision_step (proposal_id, id);

CREATE TABLE masterplan.decision_state (
    proposal_id bigint PRIMARY KEY REFERENCES masterplan.proposal ON DELETE CASCADE,
    state text NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'recommended', 'challenged', 'confirmed', 'published')),
    outcome text, reason_ro text, reason_en text, reason_keys text[], redirected_to text, departure text,
    recommendation text, criteria_set text, total double precision, received_at timestamptz,
    recommender text NOT NULL DEFAULT '',
    confirmer text NOT NULL DEFAULT '',
    interested text[] NOT NULL DEFAULT '{{}}',
    concerned text[] NOT NULL DEFAULT '{{}}',
    answer_until timestamptz,
    moved_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX decision_state_waiting ON masterplan.decision_state (state) WHERE state <> 'published';

CREATE TABLE masterplan.decision (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    proposal_id bigint NOT NULL REFERENCES masterplan.proposal ON DELETE CASCADE,
    outcome text NOT NULL CHECK (outcome IN {_OUTCOMES}),
    reason_ro text NOT NULL, reason_en text NOT NULL, reason_keys text[] NOT NULL,
    redirected_to text NOT NULL, departure text NOT NULL,
    recommendation text, criteria_set text NOT NULL, total double precision,
    received_at timestamptz NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reopened_at timestamptz
);
COMMENT ON TABLE masterplan.decision IS 'Published decisions, as everyone reads them; a reopened one stays.';
CREATE UNIQUE INDEX decision_in_force ON masterplan.decision (proposal_id) WHERE reopened_at IS NULL;
CREATE INDEX decision_published ON masterplan.decision (published_at);

CREATE TABLE masterplan.proposal_link (
    proposal_id bigint PRIMARY KEY REFERENCES masterplan.proposal ON DELETE CASCADE,
    origin_id bigint NOT NULL REFERENCES masterplan.proposal ON DELETE CASCADE CHECK (origin_id <> proposal_id),
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE masterplan.proposal_link IS 'The observation that a planner turned into this proposal.';
CREATE INDEX proposal_link_origin ON masterplan.proposal_link (origin_id);
"""

# The people's role cannot read whose a submission is; the gate, which knows who signed in, says it of the asker's own.
STANDING = f"""
CREATE POLICY gate_finds_ones_own ON masterplan.proposal FOR SELECT TO {GATE_ROLE}
    USING (session = (SELECT masterplan.acting_session()) OR account = (SELECT masterplan.acting_account()));
GRANT SELECT (id, session, account) ON masterplan.proposal TO {GATE_ROLE};
CREATE FUNCTION masterplan.brought_by_me(number bigint) RETURNS boolean
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = masterplan, pg_temp AS $$
    SELECT EXISTS (SELECT FROM proposal WHERE id = number)
$$;
REVOKE EXECUTE ON FUNCTION masterplan.brought_by_me FROM PUBLIC;
GRANT EXECUTE ON FUNCTION masterplan.brought_by_me, masterplan.acting_person TO {EVERYONE}, CURRENT_USER;
GRANT CREATE ON SCHEMA masterplan TO {GATE_ROLE};
ALTER FUNCTION masterplan.brought_by_me OWNER TO {GATE_ROLE};
REVOKE CREATE ON SCHEMA masterplan FROM {GATE_ROLE};
"""

#: What a planner's step stands on, read with the planner's own eyes: the owner sees no submissions.
FACTS = """
CREATE FUNCTION masterplan.decision_facts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    about record;
BEGIN
    NEW.person := coalesce(masterplan.acting_person(), '');
    NEW.account := masterplan.acting_account();
    NEW.made_at := clock_timestamp();
    NEW.concerned := '{}';
    IF NEW.person = '' THEN
        RAISE insufficient_privilege USING MESSAGE = 'only a person decides';
    END IF;
    IF NEW.action = 'answer' THEN
        RETURN NEW;
    END IF;
    SELECT p.kind, p.status, p.created_at, p.criteria_set, p.on_behalf_of, p.geom, s.recommendation, s.total INTO about
        FROM masterplan.proposal p
        LEFT JOIN masterplan.score s ON s.proposal_id = p.id AND s.criteria_set = p.criteria_set
        WHERE p.id = NEW.proposal_id;
    IF NOT FOUND OR about.kind <> 'proposal' OR about.status IN ('hidden', 'withdrawn') THEN
        RAISE insufficient_privilege USING MESSAGE = 'not a proposal that can be decided';
    END IF;
    -- Those concerned must be able to read what is about to be decided.
    IF NEW.action IN ('confirm', 'publish') AND about.status <> 'published' THEN
        RAISE insufficient_privilege USING MESSAGE = 'the proposal is not public';
    END IF;
    NEW.recommendation := about.recommendation;
    NEW.criteria_set := about.criteria_set;
    NEW.total := about.total;
    NEW.received_at := about.created_at;
    IF NEW.action = 'recommend' AND length(btrim(NEW.departure)) < 3 AND (CASE about.recommendation
        WHEN 'integrate' THEN NEW.outcome <> 'integrate'
        WHEN 'debate' THEN NEW.outcome NOT IN ('integrate_partly', 'ask_for_changes')
        WHEN 'reject' THEN NEW.outcome NOT IN ('reject', 'redirect') ELSE false END)
    THEN
        RAISE check_violation USING MESSAGE = 'who departs from the recommendation says why';
    END IF;
    IF NEW.action = 'confirm' THEN
        NEW.concerned := ARRAY(
            SELECT about.on_behalf_of UNION SELECT f.properties ->> 'siruta' FROM masterplan.current_feature f
            WHERE f.layer_id = 'uat' AND ST_Intersects(f.geom, about.geom) ORDER BY 1);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER a_facts BEFORE INSERT ON masterplan.decision_step
    FOR EACH ROW EXECUTE FUNCTION masterplan.decision_facts();
"""

MOVES = f"""
CREATE FUNCTION masterplan.decision_moves() RETURNS trigger LANGUAGE plpgsql {_AS_OWNER} AS $$
DECLARE
    now_is decision_state;
    acts_as text := coalesce(current_setting('masterplan.role', true), '');
    staff boolean := acts_as IN ('planner', 'administrator');
    standing text;
    follows text;
    what jsonb;
BEGIN
    INSERT INTO decision_state (proposal_id) VALUES (NEW.proposal_id) ON CONFLICT DO NOTHING;
    SELECT * INTO now_is FROM decision_state WHERE proposal_id = NEW.proposal_id FOR UPDATE;
    standing := CASE WHEN NEW.person = ANY (now_is.interested) THEN 'interested'
        WHEN NOT staff AND brought_by_me(NEW.proposal_id) THEN 'submitter'
        WHEN NOT staff AND now_is.concerned && acting_uats() THEN 'concerned'
        WHEN NEW.person = now_is.recommender THEN 'recommender'
        WHEN NEW.person = now_is.confirmer THEN 'confirmer' ELSE 'none' END;
    follows := CASE
        WHEN NEW.action = 'answer' THEN
            CASE WHEN now_is.state = 'confirmed' AND (standing = 'submitter' AND acts_as IN ('visitor', 'stakeholder', 'uat')
                OR standing = 'concerned' AND acts_as = 'uat') THEN 'confirmed' END
        WHEN NOT staff OR standing NOT IN ('none', 'recommender', 'confirmer') THEN NULL
        WHEN NEW.action = 'recommend' AND now_is.state IN ('open', 'challenged') THEN 'recommended'
        WHEN NEW.action = 'confirm' AND now_is.state = 'recommended' AND standing = 'none' THEN 'confirmed'
        WHEN NEW.action = 'challenge' AND now_is.state = 'recommended' AND standing = 'none' THEN 'challenged'
        WHEN NEW.action = 'take_back' AND now_is.state = 'recommended' AND standing = 'recommender' THEN 'open'
        WHEN NEW.action = 'declare_interest' AND now_is.state <> 'published' THEN
            CASE standing WHEN 'none' THEN now_is.state ELSE 'open' END
        WHEN NEW.action = 'reconsider' AND now_is.state = 'confirmed' THEN 'open'
        WHEN NEW.action = 'publish' AND now_is.state = 'confirmed' THEN 'published'
        WHEN NEW.action = 'reopen' AND now_is.state = 'published' THEN 'open' END;
    IF follows IS NULL THEN
        RAISE insufficient_privilege USING MESSAGE = format('%s may not %s what is %s', standing, NEW.action, now_is.state);
    END IF;
    IF NEW.action = 'confirm' AND NEW.recommendation IS DISTINCT FROM now_is.recommendation THEN
        RAISE check_violation USING MESSAGE = 'the recommendation of the criteria changed meanwhile';
    END IF;
    IF NEW.action = 'answer' AND now_is.answer_until < clock_timestamp()
        OR NEW.action = 'publish' AND now_is.answer_until > clock_timestamp() THEN
        RAISE check_violation USING MESSAGE = 'the time to answer';
    END IF;
    UPDATE decision_state s SET state = follows, moved_at = clock_timestamp(),
        interested = CASE NEW.action WHEN 'declare_interest' THEN s.interested || NEW.person ELSE s.interested END,
        confirmer = CASE NEW.action WHEN 'confirm' THEN NEW.person ELSE CASE follows WHEN 'open' THEN ''
            WHEN 'recommended' THEN '' ELSE s.confirmer END END,
        recommender = CASE follows WHEN 'open' THEN '' ELSE s.recommender END,
        concerned = CASE NEW.action WHEN 'confirm' THEN NEW.concerned ELSE s.concerned END,
        answer_until = CASE NEW.action WHEN 'confirm' THEN NEW.made_at + make_interval(days =>
            (SELECT answer_days FROM decision_setting)) ELSE CASE follows WHEN 'open' THEN NULL ELSE s.answer_until END END
        WHERE proposal_id = NEW.proposal_id;
    IF NEW.action = 'recommend' THEN
        UPDATE decision_state SET recommender = NEW.person, outcome = NEW.outcome, reason_ro = NEW.reason_ro,
            reason_en = NEW.reason_en, reason_keys = NEW.reason_keys, redirected_to = NEW.redirected_to,
            departure = NEW.departure, recommendation = NEW.recommendation, criteria_set = NEW.criteria_set,
            total = NEW.total, received_at = NEW.received_at WHERE proposal_id = NEW.proposal_id;
    ELSIF NEW.action = 'publish' THEN
        INSERT INTO decision (proposal_id, outcome, reason_ro, reason_en, reason_keys, redirected_to, departure,
                recommendation, criteria_set, total, received_at)
            SELECT proposal_id, outcome, reason_ro, reason_en, reason_keys, redirected_to, departure, recommendation,
                criteria_set, total, received_at FROM decision_state WHERE proposal_id = NEW.proposal_id;
    ELSIF NEW.action = 'reopen' THEN
        UPDATE decision SET reopened_at = clock_timestamp() WHERE proposal_id = NEW.proposal_id AND reopened_at IS NULL;
    END IF;
    -- A published decision is a public act; what leads to it is kept as a digest.
    what := CASE NEW.action WHEN 'publish' THEN jsonb_build_object('outcome', now_is.outcome, 'reason_ro', now_is.reason_ro,
            'reason_en', now_is.reason_en, 'departure', now_is.departure, 'redirected_to', now_is.redirected_to)
        WHEN 'reopen' THEN jsonb_build_object('comment', NEW.comment)
        ELSE jsonb_strip_nulls(jsonb_build_object('outcome', NEW.outcome, 'sha256', encode(sha256(convert_to(
            jsonb_build_array(NEW.reason_ro, NEW.reason_en, NEW.departure, NEW.redirected_to, NEW.comment)::text,
            'UTF8')), 'hex'))) END;
    PERFORM note_event('decision_' || CASE NEW.action WHEN 'publish' THEN 'published' WHEN 'reopen' THEN 'reopened'
        ELSE NEW.action END, 'proposal', NEW.proposal_id::text, jsonb_build_object('state', now_is.state),
        jsonb_build_object('state', follows) || what);
    RETURN NEW;
END $$;
CREATE TRIGGER b_moves BEFORE INSERT ON masterplan.decision_step
    FOR EACH ROW EXECUTE FUNCTION masterplan.decision_moves();
REVOKE EXECUTE ON FUNCTION masterplan.decision_facts, masterplan.decision_moves, masterplan.acting_person FROM PUBLIC;
GRANT EXECUTE ON FUNCTION masterplan.acting_person TO {EVERYONE}, CURRENT_USER;
"""

_OF_A_SEEN_ONE = "EXISTS (SELECT FROM masterplan.proposal p WHERE p.id = proposal_id)"
_STEP = "proposal_id, action, outcome, reason_ro, reason_en, reason_keys, redirected_to, departure, comment"

# The trigger says who may do which step; a policy could only say it twice.
LOCKS = "".join(
    f"ALTER TABLE masterplan.{table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;\n"
    for table in ("decision_setting", "decision_step", "decision_state", "decision", "proposal_link")
) + f"""
CREATE POLICY owner_keeps ON masterplan.decision_setting FOR ALL TO CURRENT_USER USING (true);
CREATE POLICY staff_reads ON masterplan.decision_setting FOR SELECT TO {STAFF} USING (true);
CREATE POLICY system_keeps ON masterplan.decision_setting FOR ALL TO {SYSTEM} USING (true);
GRANT SELECT ON masterplan.decision_setting TO {STAFF};
GRANT SELECT, UPDATE (answer_days) ON masterplan.decision_setting TO {SYSTEM};

CREATE POLICY decide ON masterplan.decision_step FOR INSERT TO {STAFF} WITH CHECK (true);
CREATE POLICY answer ON masterplan.decision_step FOR INSERT TO {PEOPLE} WITH CHECK (true);
CREATE POLICY staff_reads ON masterplan.decision_step FOR SELECT TO {STAFF} USING (true);
CREATE POLICY read_ones_answers ON masterplan.decision_step FOR SELECT TO {PEOPLE}
    USING (action = 'answer' AND person = (SELECT masterplan.acting_person()));
CREATE POLICY system_reads ON masterplan.decision_step FOR SELECT TO {SYSTEM} USING (true);
GRANT SELECT, INSERT ({_STEP}) ON masterplan.decision_step TO {STAFF};
GRANT SELECT (proposal_id, action, comment, person, made_at), INSERT (proposal_id, action, comment)
    ON masterplan.decision_step TO {PEOPLE};
GRANT SELECT ON masterplan.decision_step TO {SYSTEM};

CREATE POLICY owner_keeps ON masterplan.decision_state FOR ALL TO CURRENT_USER USING (true);
CREATE POLICY staff_reads ON masterplan.decision_state FOR SELECT TO {STAFF} USING (true);
CREATE POLICY system_reads ON masterplan.decision_state FOR SELECT TO {SYSTEM} USING (true);
CREATE POLICY concerned_read ON masterplan.decision_state FOR SELECT TO {PEOPLE} USING (state = 'confirmed'
    AND (concerned && (SELECT masterplan.acting_uats())::text[] OR masterplan.brought_by_me(proposal_id)));
GRANT SELECT ON masterplan.decision_state TO {STAFF}, {SYSTEM};
GRANT SELECT (proposal_id, state, outcome, reason_ro, reason_en, redirected_to, departure, recommendation, concerned,
    answer_until) ON masterplan.decision_state TO {PEOPLE};

CREATE POLICY owner_keeps ON masterplan.decision FOR ALL TO CURRENT_USER USING (true);
CREATE POLICY see ON masterplan.decision FOR SELECT TO {PEOPLE} USING ({_OF_A_SEEN_ONE});
CREATE POLICY staff_reads ON masterplan.decision FOR SELECT TO {STAFF} USING (true);
CREATE POLICY system_reads ON masterplan.decision FOR SELECT TO {SYSTEM} USING (true);
CREATE POLICY show ON masterplan.decision FOR SELECT TO {PUBLIC_ROLE} USING ({_OF_A_SEEN_ONE});
GRANT SELECT ON masterplan.decision TO {PEOPLE}, {STAFF}, {SYSTEM}, {PUBLIC_ROLE};
"""

# In the order in which transactions end, under the lock of the history: no number is skipped, none given twice.
REGISTRY = f"""
CREATE TABLE masterplan.registry (
    year integer NOT NULL,
    number integer NOT NULL CHECK (number > 0),
    proposal_id bigint UNIQUE REFERENCES masterplan.proposal ON DELETE SET NULL,
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (year, number)
);
COMMENT ON TABLE masterplan.registry IS 'The registry: one number a submission, without a gap, from 1 each year.';

CREATE FUNCTION masterplan.enter_registry(of_proposal bigint, at timestamptz) RETURNS void
LANGUAGE plpgsql {_AS_OWNER} AS $$
DECLARE
    of_year integer := extract(year FROM at AT TIME ZONE 'Europe/Bucharest');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('masterplan audit', 0));
    INSERT INTO registry (year, number, proposal_id, registered_at) SELECT of_year,
        coalesce((SELECT number FROM registry WHERE year = of_year ORDER BY number DESC LIMIT 1), 0) + 1, of_proposal, at;
END $$;
CREATE FUNCTION masterplan.register() RETURNS trigger LANGUAGE plpgsql {_AS_OWNER} AS $$
BEGIN
    PERFORM enter_registry(NEW.id, clock_timestamp());
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER register AFTER INSERT ON masterplan.proposal DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NOT NEW.demo) EXECUTE FUNCTION masterplan.register();
REVOKE EXECUTE ON FUNCTION masterplan.enter_registry, masterplan.register FROM PUBLIC;

ALTER TABLE masterplan.registry ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_keeps ON masterplan.registry FOR ALL TO CURRENT_USER USING (true);
CREATE POLICY see ON masterplan.registry FOR SELECT TO {PEOPLE} USING ({_OF_A_SEEN_ONE});
CREATE POLICY staff_reads ON masterplan.registry FOR SELECT TO {STAFF} USING (true);
CREATE POLICY system_reads ON masterplan.registry FOR SELECT TO {SYSTEM} USING (true);
GRANT SELECT ON masterplan.registry TO {PEOPLE}, {STAFF}, {SYSTEM};

CREATE POLICY beginning ON masterplan.proposal FOR SELECT TO CURRENT_USER USING (true);
DO $$ BEGIN
    PERFORM masterplan.enter_registry(p.id, p.created_at)
        FROM (SELECT id, created_at FROM masterplan.proposal WHERE NOT demo ORDER BY created_at, id) p;
END $$;
DROP POLICY beginning ON masterplan.proposal;
"""

LINKS = f"""
CREATE FUNCTION masterplan.note_link() RETURNS trigger LANGUAGE plpgsql {_AS_OWNER} AS $$
BEGIN
    PERFORM note_event('proposal_linked', 'proposal', NEW.proposal_id::text, NULL,
        jsonb_build_object('origin', NEW.origin_id));
    RETURN NULL;
END $$;
CREATE TRIGGER note_link AFTER INSERT ON masterplan.proposal_link
    FOR EACH ROW EXECUTE FUNCTION masterplan.note_link();
REVOKE EXECUTE ON FUNCTION masterplan.note_link FROM PUBLIC;
CREATE POLICY staff_links ON masterplan.proposal_link FOR ALL TO {STAFF} USING (true);
CREATE POLICY see ON masterplan.proposal_link FOR SELECT TO {PEOPLE} USING ({_OF_A_SEEN_ONE});
GRANT SELECT, INSERT (proposal_id, origin_id) ON masterplan.proposal_link TO {STAFF};
GRANT SELECT ON masterplan.proposal_link TO {PEOPLE};
"""

SHOWN = f"""
CREATE OR REPLACE VIEW api.proposals WITH (security_barrier) AS
    SELECT p.receipt AS id, p.kind, p.status, p.theme, p.author_kind, p.title, p.description,
           p.uat, p.on_behalf_of, p.budget_lei::double precision, p.documentation_stage,
           p.criteria_set, p.edition, p.created_at, p.demo,
           s.total AS score, s.coverage, s.recommendation,
           p.geom,
           d.outcome, d.reason_ro AS reason, d.departure, d.redirected_to, d.published_at AS decided_at
    FROM masterplan.proposal p
    LEFT JOIN masterplan.score s ON s.proposal_id = p.id AND s.criteria_set = p.criteria_set
    LEFT JOIN masterplan.decision d ON d.proposal_id = p.id AND d.reopened_at IS NULL;
ALTER VIEW api.proposals OWNER TO {PUBLIC_ROLE};
GRANT SELECT ON api.proposals TO {OGC_ROLE};
"""
