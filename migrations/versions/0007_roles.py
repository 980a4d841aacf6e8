"""Accounts and invitations; row-level security on every table, keyed by the role that acts.

Until now one login read and wrote, and policies asked a setting who acts. From now on a login may
do nothing by itself: each transaction takes the database role of its actor, and grants and policies
name these roles. `docs/security.md` says what each may do.
"""

from alembic import op

from masterplan.actors import Role
from masterplan.database import APP_ROLE, EVERYONE, GATE_ROLE, PUBLIC_ROLE, role_of

revision = "0007"
down_revision = "0006"

VISITOR, STAKEHOLDER, UAT = role_of(Role.VISITOR), role_of(Role.STAKEHOLDER), role_of(Role.UAT)
SYSTEM, MEASURER = role_of(Role.SYSTEM), role_of(Role.MEASURER)
STAFF = f"{role_of(Role.PLANNER)}, {role_of(Role.ADMINISTRATOR)}"
ADMINISTRATOR = role_of(Role.ADMINISTRATOR)
#: Whoever may bring something themselves.
PEOPLE = f"{VISITOR}, {STAKEHOLDER}, {UAT}"

#: What the owner loads and everyone reads.
PLAN_TABLES = (
    "edition", "layer", "layer_version", "feature", "feature_part", "outline", "outline_part", "criteria_set",
)  # fmt: skip
#: What the views of the schema `api` show, and no more.
PUBLIC_COLUMNS = {
    "feature": "layer_id, feature_id, versions, name_ro, name_en, status, properties, source, source_date,"
               " indicative, geom",
    "score": "proposal_id, criteria_set, total, coverage, recommendation",
    "proposal": "id, receipt, kind, status, theme, author_kind, title, description, uat, on_behalf_of, budget_lei,"
                " documentation_stage, criteria_set, edition, created_at, public, demo, geom",
}  # fmt: skip
#: What a person reads of a submission: nothing that tells whose it is.
READ_OF_A_PROPOSAL = (
    "id, receipt, kind, status, channel, source_event, author_kind, theme, title, description, geom, geom_3857,"
    " anchor_3857, uat, on_behalf_of, budget_lei, documentation_stage, attributes, criteria_set, edition, public,"
    " demo, created_at, updated_at"
)
#: What its author may change until it is moderated; and the status, to withdraw it.
WRITTEN_BY_ITS_AUTHOR = (
    "title, description, theme, author_kind, geom, attributes, budget_lei, documentation_stage, status"
)


def upgrade() -> None:
    for statement in (START_ANEW, ACTING, ACCOUNTS, JUDGEMENTS, LOCKS, PLAN, PROPOSALS, FUNCTIONS, RESULTS, CONTACTS,
                      JUDGING, WORK, PEOPLE_AND_ROLES, GATE, PUBLIC_VIEWS):  # fmt: skip
        op.execute(statement)


START_ANEW = f"""
REVOKE ALL ON ALL TABLES IN SCHEMA masterplan FROM {APP_ROLE}, {PUBLIC_ROLE};
REVOKE ALL (status) ON masterplan.proposal FROM {APP_ROLE};
REVOKE ALL ({PUBLIC_COLUMNS["proposal"]}, geom_3857, anchor_3857) ON masterplan.proposal FROM {PUBLIC_ROLE};
REVOKE ALL ON FUNCTION masterplan.make_outline, masterplan.keeps, masterplan.saying FROM {APP_ROLE};
REVOKE ALL ON SCHEMA masterplan, api FROM {APP_ROLE};
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA masterplan FROM PUBLIC;
GRANT USAGE ON SCHEMA masterplan TO {EVERYONE}, {GATE_ROLE};
DROP POLICY see ON masterplan.proposal;
DROP POLICY submit ON masterplan.proposal;
DROP POLICY moderate ON masterplan.proposal;
DROP POLICY clear_demonstration ON masterplan.proposal;
DROP POLICY see_public ON masterplan.proposal;
DROP POLICY read_contacts ON masterplan.contact;
DROP POLICY leave_contact ON masterplan.contact;
DROP FUNCTION masterplan.acting_staff, masterplan.acting_role, masterplan.acting_uats, masterplan.acting_session;
"""

# Policies ask them as `(SELECT …)`: once a statement, not once a row.
ACTING = """
CREATE FUNCTION masterplan.acting_uats() RETURNS text[] STABLE LANGUAGE sql
    RETURN string_to_array(nullif(current_setting('masterplan.uats', true), ''), ',');
CREATE FUNCTION masterplan.acting_session() RETURNS text STABLE LANGUAGE sql
    RETURN nullif(current_setting('masterplan.session', true), '');
CREATE FUNCTION masterplan.acting_receipt() RETURNS text STABLE LANGUAGE sql
    RETURN nullif(current_setting('masterplan.receipt', true), '');
CREATE FUNCTION masterplan.acting_key() RETURNS uuid STABLE LANGUAGE sql
    RETURN nullif(current_setting('masterplan.key', true), '')::uuid;
CREATE FUNCTION masterplan.acting_account() RETURNS bigint STABLE LANGUAGE sql
    RETURN CASE WHEN current_setting('masterplan.user', true) ~ '^[0-9]{1,18}$'
        THEN current_setting('masterplan.user', true)::bigint END;
"""

ACCOUNTS = """
CREATE TABLE masterplan.account (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    issuer text NOT NULL,
    subject text NOT NULL,
    email text NOT NULL DEFAULT '',
    email_verified boolean NOT NULL DEFAULT false,
    name text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    -- Seconds since 1970, as tokens count them: the newest token seen, and the last one no longer good.
    newest_token bigint NOT NULL DEFAULT 0,
    sessions_valid_after bigint NOT NULL DEFAULT 0,
    disabled_at timestamptz,
    UNIQUE (issuer, subject)
);
CREATE INDEX account_email ON masterplan.account (lower(email));

CREATE TABLE masterplan.account_role (
    account_id bigint PRIMARY KEY REFERENCES masterplan.account ON DELETE CASCADE,
    role text NOT NULL CHECK (role IN ('uat', 'planner', 'administrator')),
    uats text[] NOT NULL DEFAULT '{}',
    granted_by bigint REFERENCES masterplan.account ON DELETE SET NULL DEFAULT masterplan.acting_account(),
    granted_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((role = 'uat') = (cardinality(uats) > 0))
);

CREATE TABLE masterplan.invitation (
    email text PRIMARY KEY CHECK (email = lower(email) AND position('@' IN email) > 1),
    role text NOT NULL CHECK (role IN ('uat', 'planner', 'administrator')),
    uats text[] NOT NULL DEFAULT '{}',
    invited_by bigint REFERENCES masterplan.account ON DELETE SET NULL DEFAULT masterplan.acting_account(),
    invited_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL DEFAULT now() + interval '30 days',
    CHECK ((role = 'uat') = (cardinality(uats) > 0))
);

ALTER TABLE masterplan.proposal
    ADD account bigint REFERENCES masterplan.account ON DELETE SET NULL DEFAULT masterplan.acting_account(),
    DROP CONSTRAINT proposal_status_check,
    ADD CONSTRAINT proposal_status_check CHECK (status IN ('submitted', 'published', 'hidden', 'withdrawn'));
UPDATE masterplan.proposal SET account = NULL WHERE account IS NOT NULL;
CREATE INDEX proposal_account ON masterplan.proposal (account) WHERE account IS NOT NULL;
"""

# As much of a planner's work as roles and locks need to stand on; what it is made of comes with the desk.
JUDGEMENTS = """
CREATE TABLE masterplan.assessment (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    proposal_id bigint NOT NULL REFERENCES masterplan.proposal ON DELETE CASCADE,
    criterion text NOT NULL,
    value double precision NOT NULL CHECK (value BETWEEN 0 AND 100),
    reason text NOT NULL CHECK (length(reason) BETWEEN 3 AND 10000),
    account bigint REFERENCES masterplan.account ON DELETE SET NULL DEFAULT masterplan.acting_account(),
    made_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX assessment_proposal ON masterplan.assessment (proposal_id);

CREATE TABLE masterplan.decision (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    proposal_id bigint NOT NULL REFERENCES masterplan.proposal ON DELETE CASCADE,
    outcome text NOT NULL CHECK (outcome IN ('integrate', 'integrate_partly', 'ask_for_changes', 'reject', 'redirect')),
    reason text NOT NULL CHECK (length(reason) BETWEEN 3 AND 10000),
    account bigint REFERENCES masterplan.account ON DELETE SET NULL DEFAULT masterplan.acting_account(),
    made_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX decision_proposal ON masterplan.decision (proposal_id);
"""

LOCKS = """
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'masterplan' LOOP
        EXECUTE format('ALTER TABLE masterplan.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    END LOOP;
END $$;
"""

PLAN = "".join(
    f"""
CREATE POLICY everyone_reads ON masterplan.{table} FOR SELECT TO {EVERYONE} USING (true);
CREATE POLICY owner_keeps ON masterplan.{table} FOR ALL TO CURRENT_USER USING (true) WITH CHECK (true);
GRANT SELECT ON masterplan.{table} TO {EVERYONE};
"""
    for table in PLAN_TABLES
) + f"""
GRANT SELECT ON masterplan.current_feature, masterplan.current_part, masterplan.current_outline TO {EVERYONE};
GRANT EXECUTE ON FUNCTION masterplan.keeps, masterplan.make_outline, masterplan.saying TO {EVERYONE};
-- Through its functions alone: no actor reads the texts themselves.
CREATE POLICY owner_keeps ON masterplan.proposal_text FOR ALL TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY publish ON masterplan.edition FOR UPDATE TO {STAFF}
    USING (status = 'draft') WITH CHECK (status IN ('draft', 'published'));
GRANT UPDATE (status, published_at, note) ON masterplan.edition TO {STAFF};
"""

_OF_ONES_OWN = """
    status = 'submitted' AND channel = 'online' AND NOT demo
    AND account IS NOT DISTINCT FROM (SELECT masterplan.acting_account())
    AND session = coalesce((SELECT masterplan.acting_session()), '')
"""
_ONES_UATS = "on_behalf_of = ANY ((SELECT masterplan.acting_uats())::text[])"

PROPOSALS = f"""
CREATE POLICY see_public ON masterplan.proposal FOR SELECT TO {EVERYONE} USING (public);
CREATE POLICY see_of_this_browser ON masterplan.proposal FOR SELECT TO {PEOPLE}
    USING (session = (SELECT masterplan.acting_session()));
CREATE POLICY see_by_code ON masterplan.proposal FOR SELECT TO {PEOPLE}
    USING (status = 'submitted' AND receipt = (SELECT masterplan.acting_receipt()));
CREATE POLICY see_own ON masterplan.proposal FOR SELECT TO {STAKEHOLDER}, {UAT}
    USING (account = (SELECT masterplan.acting_account()));
CREATE POLICY see_of_own_uats ON masterplan.proposal FOR SELECT TO {UAT} USING ({_ONES_UATS});
CREATE POLICY staff_sees ON masterplan.proposal FOR SELECT TO {STAFF} USING (true);
CREATE POLICY system_sees ON masterplan.proposal FOR SELECT TO {SYSTEM} USING (true);
CREATE POLICY see_what_is_measured ON masterplan.proposal FOR SELECT TO {MEASURER}
    USING (submission_key = (SELECT masterplan.acting_key()));

CREATE POLICY submit_observation ON masterplan.proposal FOR INSERT TO {PEOPLE}
    WITH CHECK (kind = 'observation' AND {_OF_ONES_OWN});
CREATE POLICY submit_for_own_uat ON masterplan.proposal FOR INSERT TO {UAT}
    WITH CHECK (kind = 'proposal' AND {_ONES_UATS} AND {_OF_ONES_OWN});
CREATE POLICY staff_registers ON masterplan.proposal FOR INSERT TO {STAFF} WITH CHECK (NOT demo);
CREATE POLICY system_registers ON masterplan.proposal FOR INSERT TO {SYSTEM} WITH CHECK (true);

CREATE POLICY edit_own_observation ON masterplan.proposal FOR UPDATE TO {STAKEHOLDER}, {UAT}
    USING (kind = 'observation' AND status = 'submitted' AND account = (SELECT masterplan.acting_account()))
    WITH CHECK (status IN ('submitted', 'withdrawn') AND account = (SELECT masterplan.acting_account()));
CREATE POLICY edit_of_own_uats ON masterplan.proposal FOR UPDATE TO {UAT}
    USING (kind = 'proposal' AND status = 'submitted' AND {_ONES_UATS})
    WITH CHECK (status IN ('submitted', 'withdrawn') AND {_ONES_UATS});
CREATE POLICY moderate ON masterplan.proposal FOR UPDATE TO {STAFF}
    USING (status <> 'withdrawn') WITH CHECK (status <> 'withdrawn');
CREATE POLICY system_changes ON masterplan.proposal FOR UPDATE TO {SYSTEM} USING (true) WITH CHECK (true);
CREATE POLICY clear_demonstration ON masterplan.proposal FOR DELETE TO {SYSTEM} USING (demo);

GRANT SELECT ({READ_OF_A_PROPOSAL}) ON masterplan.proposal TO {PEOPLE}, {STAFF};
GRANT SELECT (submission_key) ON masterplan.proposal TO {STAFF};
GRANT SELECT ON masterplan.proposal TO {SYSTEM}, {MEASURER};
GRANT INSERT ON masterplan.proposal TO {PEOPLE}, {STAFF}, {SYSTEM};
GRANT UPDATE ({WRITTEN_BY_ITS_AUTHOR}) ON masterplan.proposal TO {STAKEHOLDER}, {UAT};
GRANT UPDATE (status) ON masterplan.proposal TO {STAFF}, {SYSTEM};
GRANT DELETE ON masterplan.proposal TO {SYSTEM};
"""

# What 0005 and 0004 do is done by functions that run as the owner; who may call them is a matter of roles.
FUNCTIONS = f"""
GRANT EXECUTE ON FUNCTION masterplan.acting_uats, masterplan.acting_session, masterplan.acting_receipt,
    masterplan.acting_key, masterplan.acting_account TO {EVERYONE}, {PUBLIC_ROLE}, {GATE_ROLE};
GRANT EXECUTE ON FUNCTION masterplan.plain, masterplan.admit, masterplan.consultation_named, masterplan.take_place,
    masterplan.last_moderation, masterplan.consent_text TO {EVERYONE};
GRANT EXECUTE ON FUNCTION masterplan.open_consultation, masterplan.close_consultation, masterplan.consultations,
    masterplan.note_moderation TO {STAFF}, {SYSTEM};
GRANT EXECUTE ON FUNCTION masterplan.forget_marks TO {SYSTEM};
"""

_OF_A_SEEN_ONE = "EXISTS (SELECT FROM masterplan.proposal p WHERE p.id = proposal_id)"
_OF_THE_MEASURED = (
    "proposal_id = (SELECT id FROM masterplan.proposal WHERE submission_key = (SELECT masterplan.acting_key()))"
)

RESULTS = "".join(
    f"""
CREATE POLICY see ON masterplan.{table} FOR SELECT TO {PEOPLE} USING ({_OF_A_SEEN_ONE});
CREATE POLICY staff_sees ON masterplan.{table} FOR SELECT TO {STAFF} USING (true);
CREATE POLICY measure ON masterplan.{table} FOR ALL TO {MEASURER} USING ({_OF_THE_MEASURED});
CREATE POLICY system_keeps ON masterplan.{table} FOR ALL TO {SYSTEM} USING (true);
GRANT SELECT ON masterplan.{table} TO {PEOPLE}, {STAFF};
GRANT SELECT, INSERT, UPDATE ON masterplan.{table} TO {MEASURER};
GRANT SELECT, INSERT, UPDATE, DELETE ON masterplan.{table} TO {SYSTEM};
"""
    for table in ("measurement", "score")
) + f"""
-- A trigger keeps what was measured before, as the owner.
CREATE POLICY owner_keeps ON masterplan.past_measurement FOR ALL TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY see ON masterplan.past_measurement FOR SELECT TO {PEOPLE} USING ({_OF_A_SEEN_ONE});
CREATE POLICY staff_sees ON masterplan.past_measurement FOR SELECT TO {STAFF} USING (true);
CREATE POLICY system_sees ON masterplan.past_measurement FOR SELECT TO {SYSTEM} USING (true);
GRANT SELECT ON masterplan.past_measurement TO {PEOPLE}, {STAFF}, {SYSTEM};
"""

CONTACTS = f"""
CREATE POLICY read_contacts ON masterplan.contact FOR SELECT TO {STAFF} USING (true);
CREATE POLICY register_contact ON masterplan.contact FOR INSERT TO {STAFF} WITH CHECK (true);
CREATE POLICY leave_contact ON masterplan.contact FOR INSERT TO {MEASURER} WITH CHECK ({_OF_THE_MEASURED});
CREATE POLICY system_keeps ON masterplan.contact FOR ALL TO {SYSTEM} USING (true);
GRANT SELECT, INSERT ON masterplan.contact TO {STAFF}, {SYSTEM};
GRANT INSERT ON masterplan.contact TO {MEASURER};
"""

# Nobody may change or delete what was judged: there are no grants for it.
JUDGING = "".join(
    f"""
CREATE POLICY staff_reads ON masterplan.{table} FOR SELECT TO {STAFF} USING (true);
CREATE POLICY {verb} ON masterplan.{table} FOR INSERT TO {STAFF}
    WITH CHECK (account IS NOT DISTINCT FROM (SELECT masterplan.acting_account()));
CREATE POLICY system_reads ON masterplan.{table} FOR SELECT TO {SYSTEM} USING (true);
GRANT SELECT, INSERT ON masterplan.{table} TO {STAFF};
GRANT SELECT ON masterplan.{table} TO {SYSTEM};
"""
    for table, verb in (("assessment", "assess"), ("decision", "decide"))
)

WORK = f"""
CREATE POLICY staff_sees ON masterplan.job FOR SELECT TO {STAFF} USING (true);
CREATE POLICY staff_leaves ON masterplan.job FOR INSERT TO {STAFF} WITH CHECK (state = 'queued');
CREATE POLICY measurer_sees ON masterplan.job FOR SELECT TO {MEASURER} USING (kind = 'score_pending');
CREATE POLICY measurer_leaves ON masterplan.job FOR INSERT TO {MEASURER}
    WITH CHECK (kind = 'score_pending' AND state = 'queued');
CREATE POLICY system_works ON masterplan.job FOR ALL TO {SYSTEM} USING (true);
CREATE POLICY owner_keeps ON masterplan.job FOR ALL TO CURRENT_USER USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON masterplan.job TO {STAFF}, {MEASURER};
GRANT SELECT, INSERT, UPDATE ON masterplan.job TO {SYSTEM};

CREATE POLICY play ON masterplan.session_role FOR ALL TO {VISITOR}
    USING (session_id = (SELECT masterplan.acting_session()));
CREATE POLICY system_sees ON masterplan.session_role FOR SELECT TO {SYSTEM} USING (true);
GRANT SELECT, INSERT, UPDATE ON masterplan.session_role TO {VISITOR};
GRANT SELECT ON masterplan.session_role TO {SYSTEM};
"""

_NOT_ONESELF = "IS DISTINCT FROM (SELECT masterplan.acting_account())"

PEOPLE_AND_ROLES = f"""
CREATE POLICY see_oneself ON masterplan.account FOR SELECT TO {STAKEHOLDER}, {UAT}, {STAFF}
    USING (id = (SELECT masterplan.acting_account()));
CREATE POLICY administrators_see ON masterplan.account FOR SELECT TO {ADMINISTRATOR} USING (true);
CREATE POLICY disable ON masterplan.account FOR UPDATE TO {ADMINISTRATOR} USING (id {_NOT_ONESELF});
CREATE POLICY system_keeps ON masterplan.account FOR ALL TO {SYSTEM} USING (true);
CREATE POLICY see_ones_role ON masterplan.account_role FOR SELECT TO {STAKEHOLDER}, {UAT}, {STAFF}
    USING (account_id = (SELECT masterplan.acting_account()));
CREATE POLICY administrators_see ON masterplan.account_role FOR SELECT TO {ADMINISTRATOR} USING (true);
CREATE POLICY give ON masterplan.account_role FOR INSERT TO {ADMINISTRATOR} WITH CHECK (account_id {_NOT_ONESELF});
CREATE POLICY change ON masterplan.account_role FOR UPDATE TO {ADMINISTRATOR} USING (account_id {_NOT_ONESELF});
CREATE POLICY take ON masterplan.account_role FOR DELETE TO {ADMINISTRATOR} USING (account_id {_NOT_ONESELF});
CREATE POLICY system_grants ON masterplan.account_role FOR ALL TO {SYSTEM} USING (true);
CREATE POLICY invite ON masterplan.invitation FOR ALL TO {ADMINISTRATOR} USING (true);
CREATE POLICY system_invites ON masterplan.invitation FOR ALL TO {SYSTEM} USING (true);

GRANT SELECT ON masterplan.account, masterplan.account_role TO {STAKEHOLDER}, {UAT}, {STAFF};
GRANT UPDATE (disabled_at, sessions_valid_after) ON masterplan.account TO {ADMINISTRATOR};
GRANT SELECT, UPDATE ON masterplan.account TO {SYSTEM};
GRANT INSERT, UPDATE, DELETE ON masterplan.account_role TO {ADMINISTRATOR};
GRANT SELECT, INSERT, UPDATE, DELETE ON masterplan.account_role TO {SYSTEM};
GRANT SELECT, INSERT, UPDATE, DELETE ON masterplan.invitation TO {ADMINISTRATOR}, {SYSTEM};
"""

# Who signs in is nobody yet: a visitor asks, and four functions answer, on behalf of a role of their own.
# A login of the application can find an account by its whole identity only, never list them.
GATE = f"""
CREATE POLICY gate ON masterplan.account FOR ALL TO {GATE_ROLE} USING (true);
CREATE POLICY gate ON masterplan.account_role FOR ALL TO {GATE_ROLE} USING (true);
CREATE POLICY gate ON masterplan.invitation FOR ALL TO {GATE_ROLE} USING (true);
GRANT SELECT, INSERT, UPDATE (email, email_verified, name, seen_at, newest_token, sessions_valid_after)
    ON masterplan.account TO {GATE_ROLE};
GRANT SELECT, INSERT ON masterplan.account_role TO {GATE_ROLE};
GRANT SELECT, DELETE ON masterplan.invitation TO {GATE_ROLE};

CREATE FUNCTION masterplan.sign_in(
    who_issuer text, who_subject text, who_email text, verified boolean, who_name text, token bigint
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = masterplan, pg_temp AS $$
DECLARE
    found bigint;
    invited invitation;
BEGIN
    INSERT INTO account AS a (issuer, subject, email, email_verified, name, newest_token)
        VALUES (who_issuer, who_subject, who_email, verified, who_name, token)
        ON CONFLICT (issuer, subject) DO UPDATE SET email = excluded.email, name = excluded.name,
            email_verified = excluded.email_verified, seen_at = now(),
            newest_token = greatest(a.newest_token, excluded.newest_token)
        RETURNING id INTO found;
    IF verified AND EXISTS (SELECT FROM account a WHERE a.id = found AND a.disabled_at IS NULL) THEN
        DELETE FROM invitation i WHERE i.email = lower(who_email) AND i.expires_at > now() RETURNING * INTO invited;
        IF invited.email IS NOT NULL THEN
            INSERT INTO account_role (account_id, role, uats, granted_by)
                VALUES (found, invited.role, invited.uats, invited.invited_by) ON CONFLICT (account_id) DO NOTHING;
        END IF;
    END IF;
    RETURN found;
END $$;
COMMENT ON FUNCTION masterplan.sign_in IS
    'The number of the account of an identity that the provider vouched for; an invitation binds to a verified address.';

CREATE FUNCTION masterplan.account_of(who_issuer text, who_subject text)
RETURNS TABLE (id bigint, role text, uats text[], email text, name text, disabled boolean, valid_after bigint)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = masterplan, pg_temp AS $$
    SELECT a.id, r.role, coalesce(r.uats, '{{}}'), a.email, a.name, a.disabled_at IS NOT NULL, a.sessions_valid_after
    FROM account a LEFT JOIN account_role r ON r.account_id = a.id
    WHERE a.issuer = who_issuer AND a.subject = who_subject
$$;
COMMENT ON FUNCTION masterplan.account_of IS 'What an identity may do at this moment; asked at every action.';

CREATE FUNCTION masterplan.account_numbered(number bigint)
RETURNS TABLE (id bigint, role text, uats text[], disabled boolean, valid_after bigint)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = masterplan, pg_temp AS $$
    SELECT a.id, r.role, coalesce(r.uats, '{{}}'), a.disabled_at IS NOT NULL, a.sessions_valid_after
    FROM account a LEFT JOIN account_role r ON r.account_id = a.id WHERE a.id = number
$$;
COMMENT ON FUNCTION masterplan.account_numbered IS 'The same for the number that a signed ticket carries.';

CREATE FUNCTION masterplan.end_sessions(who_issuer text, who_subject text, token bigint)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = masterplan, pg_temp AS $$
    UPDATE account SET sessions_valid_after = greatest(sessions_valid_after, newest_token, token)
    WHERE issuer = who_issuer AND subject = who_subject
$$;
COMMENT ON FUNCTION masterplan.end_sessions IS 'No token seen so far is good any more, wherever its cookie was copied to.';

GRANT CREATE ON SCHEMA masterplan TO {GATE_ROLE};
ALTER FUNCTION masterplan.sign_in OWNER TO {GATE_ROLE};
ALTER FUNCTION masterplan.account_of OWNER TO {GATE_ROLE};
ALTER FUNCTION masterplan.account_numbered OWNER TO {GATE_ROLE};
ALTER FUNCTION masterplan.end_sessions OWNER TO {GATE_ROLE};
REVOKE CREATE ON SCHEMA masterplan FROM {GATE_ROLE};
"""

_GATE_FUNCTIONS = "masterplan.sign_in, masterplan.account_of, masterplan.account_numbered, masterplan.end_sessions"

PUBLIC_VIEWS = f"""
REVOKE EXECUTE ON FUNCTION {_GATE_FUNCTIONS} FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {_GATE_FUNCTIONS} TO {VISITOR};

GRANT USAGE ON SCHEMA api TO {EVERYONE};
GRANT SELECT ({PUBLIC_COLUMNS["feature"]}) ON masterplan.feature TO {PUBLIC_ROLE};
GRANT SELECT ({PUBLIC_COLUMNS["proposal"]}) ON masterplan.proposal TO {PUBLIC_ROLE};
GRANT SELECT ({PUBLIC_COLUMNS["score"]}) ON masterplan.score TO {PUBLIC_ROLE};
CREATE POLICY show ON masterplan.feature FOR SELECT TO {PUBLIC_ROLE} USING (true);
CREATE POLICY show ON masterplan.proposal FOR SELECT TO {PUBLIC_ROLE} USING (public);
CREATE POLICY show ON masterplan.score FOR SELECT TO {PUBLIC_ROLE} USING ({_OF_A_SEEN_ONE});
"""
