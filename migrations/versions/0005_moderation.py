"""Limits of what one origin or account may submit, consultation sessions, moderation with its reason, consent texts.

No login reads or writes these tables: each thing that may be done is a function, which asks who acts; they can be
called by whoever may use the schema, which the login of `/ogc` may not. A limit is kept by a lock on whose it is, so
that two processes at once cannot both take the last place.
"""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for statement in (LIMITS, ADMIT, FORGET, CONSULTATIONS, MODERATION, CONSENT, LOCKS):
        op.execute(statement)


#: Inside a function that runs as the owner: refuses whoever is no planner.
_PLANNERS_ONLY = """
    IF coalesce(current_setting('masterplan.role', true), '') NOT IN ('planner', 'administrator', 'system') THEN
        RAISE insufficient_privilege USING MESSAGE = 'only planners may do this';
    END IF;
"""
_AS_OWNER = "SECURITY DEFINER SET search_path = masterplan, pg_temp"

LIMITS = """
CREATE TABLE masterplan.submission_limit (
    kind text PRIMARY KEY CHECK (kind IN ('origin', 'unknown', 'account')),
    most integer NOT NULL CHECK (most > 0),
    span interval NOT NULL CHECK (span > interval '0')
);
COMMENT ON TABLE masterplan.submission_limit IS
    'At most so many submissions within the span: from one origin, from all unknown ones together, by one account.';
INSERT INTO masterplan.submission_limit (kind, most, span) VALUES
    ('origin', 5, '1 hour'), ('unknown', 60, '1 hour'), ('account', 30, '1 hour');

CREATE TABLE masterplan.submission_mark (
    kind text NOT NULL REFERENCES masterplan.submission_limit,
    whose text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN masterplan.submission_mark.whose IS
    'The keyed hash of an origin, the number of an account, nothing where the origin is unknown; never an address.';
CREATE INDEX submission_mark_recent ON masterplan.submission_mark (kind, whose, at);
"""

ADMIT = f"""
CREATE FUNCTION masterplan.admit(asked_kind text, asked_whose text) RETURNS timestamptz
LANGUAGE plpgsql {_AS_OWNER} AS $$
DECLARE
    allowed submission_limit;
    free_at timestamptz;
BEGIN
    SELECT * INTO STRICT allowed FROM submission_limit WHERE kind = asked_kind;
    -- Until the transaction ends: whoever comes meanwhile waits, and then counts this one too.
    PERFORM pg_advisory_xact_lock(hashtextextended('submissions ' || asked_kind || ' ' || asked_whose, 0));
    SELECT at + allowed.span INTO free_at FROM submission_mark
        WHERE kind = asked_kind AND whose = asked_whose AND at > clock_timestamp() - allowed.span
        ORDER BY at DESC OFFSET allowed.most - 1 LIMIT 1;
    IF free_at IS NOT NULL THEN
        RETURN free_at;
    END IF;
    INSERT INTO submission_mark (kind, whose) VALUES (asked_kind, asked_whose);
    INSERT INTO job (kind, run_after) SELECT 'forget_marks', clock_timestamp() + allowed.span
        WHERE NOT EXISTS (SELECT FROM job WHERE kind = 'forget_marks' AND state = 'queued');
    RETURN NULL;
END $$;
COMMENT ON FUNCTION masterplan.admit IS
    'Counts one submission, or answers from when on another is admitted.';
"""

FORGET = f"""
CREATE FUNCTION masterplan.forget_marks() RETURNS bigint
LANGUAGE plpgsql {_AS_OWNER} AS $$
DECLARE
    gone bigint;
BEGIN
    DELETE FROM submission_mark m USING submission_limit l WHERE l.kind = m.kind AND m.at <= clock_timestamp() - l.span;
    GET DIAGNOSTICS gone = ROW_COUNT;
    INSERT INTO job (kind, run_after)
        SELECT 'forget_marks', max(m.at + l.span) FROM submission_mark m JOIN submission_limit l USING (kind)
        HAVING count(*) > 0 AND NOT EXISTS (SELECT FROM job WHERE kind = 'forget_marks' AND state = 'queued');
    RETURN gone;
END $$;
COMMENT ON FUNCTION masterplan.forget_marks IS
    'Deletes what no limit counts any more, and leaves a job for the rest.';
"""

CONSULTATIONS = f"""
CREATE TABLE masterplan.consultation (
    code text PRIMARY KEY CHECK (code ~ '^[0-9A-HJKMNP-TV-Z]{{4}}-[0-9A-HJKMNP-TV-Z]{{4}}$'),
    place text NOT NULL CHECK (length(place) BETWEEN 3 AND 200),
    most integer NOT NULL CHECK (most BETWEEN 1 AND 1000),
    used integer NOT NULL DEFAULT 0 CHECK (used BETWEEN 0 AND most),
    opened_by text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL CHECK (expires_at > opened_at AND expires_at <= opened_at + interval '31 days'),
    closed_at timestamptz
);
COMMENT ON COLUMN masterplan.consultation.most IS 'How many submissions may be made with the code, all together.';

CREATE FUNCTION masterplan.open_consultation(new_code text, new_place text, new_most integer, until timestamptz)
RETURNS void LANGUAGE plpgsql {_AS_OWNER} AS $$
BEGIN
    {_PLANNERS_ONLY}
    INSERT INTO consultation (code, place, most, expires_at, opened_by)
        VALUES (new_code, new_place, new_most, until, coalesce(current_setting('masterplan.user', true), ''));
END $$;

CREATE FUNCTION masterplan.close_consultation(asked_code text) RETURNS void
LANGUAGE plpgsql {_AS_OWNER} AS $$
BEGIN
    {_PLANNERS_ONLY}
    UPDATE consultation SET closed_at = now() WHERE code = asked_code AND closed_at IS NULL;
END $$;

CREATE FUNCTION masterplan.consultations() RETURNS SETOF masterplan.consultation
STABLE LANGUAGE plpgsql {_AS_OWNER} AS $$
BEGIN
    {_PLANNERS_ONLY}
    RETURN QUERY SELECT * FROM consultation ORDER BY opened_at DESC, code;
END $$;

CREATE FUNCTION masterplan.consultation_named(asked_code text)
RETURNS TABLE (place text, expires_at timestamptz, state text)
STABLE LANGUAGE sql {_AS_OWNER} AS $$
    SELECT place, least(expires_at, closed_at), CASE
        WHEN least(expires_at, closed_at) <= now() THEN 'ended' WHEN used >= most THEN 'full' ELSE 'open' END
    FROM consultation WHERE code = asked_code
$$;
COMMENT ON FUNCTION masterplan.consultation_named IS 'What who holds a code may know of its session; nobody lists them.';

CREATE FUNCTION masterplan.take_place(asked_code text) RETURNS boolean
LANGUAGE plpgsql {_AS_OWNER} AS $$
BEGIN
    UPDATE consultation SET used = used + 1
        WHERE code = asked_code AND used < most AND closed_at IS NULL AND expires_at > now();
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION masterplan.take_place IS 'Counts one submission made with a code; false when there is no place left.';
"""

# By the tracking code and not by the number: the owner sees no proposals, and needs to see none.
MODERATION = f"""
CREATE TABLE masterplan.moderation (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    receipt text NOT NULL REFERENCES masterplan.proposal (receipt) ON DELETE CASCADE,
    status text NOT NULL CHECK (status IN ('published', 'hidden')),
    reason text NOT NULL CHECK (status = 'published' OR length(btrim(reason)) BETWEEN 3 AND 1000),
    made_by text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE masterplan.moderation IS 'Each change of what is public: append-only.';
CREATE INDEX moderation_receipt ON masterplan.moderation (receipt, id DESC);

CREATE FUNCTION masterplan.note_moderation(codes text[], new_status text, why text) RETURNS void
LANGUAGE plpgsql {_AS_OWNER} AS $$
BEGIN
    {_PLANNERS_ONLY}
    INSERT INTO moderation (receipt, status, reason, made_by)
        SELECT code, new_status, why, coalesce(current_setting('masterplan.user', true), '') FROM unnest(codes) AS code;
END $$;

CREATE FUNCTION masterplan.last_moderation(code text) RETURNS TABLE (status text, reason text, made_at timestamptz)
STABLE LANGUAGE sql {_AS_OWNER} AS $$
    SELECT status, reason, made_at FROM moderation WHERE receipt = code ORDER BY id DESC LIMIT 1
$$;
COMMENT ON FUNCTION masterplan.last_moderation IS
    'What who holds a tracking code may know of its moderation: the last word and its reason, not who said it.';
"""

CONSENT = f"""
CREATE TABLE masterplan.consent (
    version text PRIMARY KEY,
    text_ro text NOT NULL,
    text_en text NOT NULL
);
COMMENT ON TABLE masterplan.consent IS 'What people agree to by leaving an address; contact.consent_version names it.';
INSERT INTO masterplan.consent (version, text_ro, text_en) VALUES (
    '2026-11',
    'Lăsând o adresă de e-mail, sunteți de acord ca echipa masterplanului să o păstreze pentru a vă răspunde; este păstrată separat și o văd numai planificatorii.',
    'By leaving an e-mail address you agree that the masterplan team keeps it to answer you; it is stored apart and shown to planners only.'
);

CREATE FUNCTION masterplan.consent_text(asked_version text) RETURNS TABLE (ro text, en text)
STABLE LANGUAGE sql {_AS_OWNER} AS $$
    SELECT text_ro, text_en FROM consent WHERE version = asked_version
$$;
"""

_TABLES = ("submission_limit", "submission_mark", "consultation", "moderation", "consent")
LOCKS = "".join(
    f"""
ALTER TABLE masterplan.{table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_keeps ON masterplan.{table} FOR ALL TO CURRENT_USER USING (true) WITH CHECK (true);
"""
    for table in _TABLES
)
