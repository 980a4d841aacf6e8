"""The public's login vouches for nobody; letters are nobody's own; the search of texts tells of what is public.

The process that the public reaches (`masterplan_app_public`) can be made to call `sign_in` with words of its own. So
what a sign-in through it says of an address verifies nothing, and invites nobody to the team.
"""

from alembic import op

from masterplan.database import PUBLIC_APP_ROLE

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    for statement in (SIGN_IN, NUMBERED, LETTERS, TEXTS, KEEP, FIND):
        op.execute(statement)


# `session_user` is the login, whatever role it took and whoever owns the function.
_PUBLIC = f"session_user = '{PUBLIC_APP_ROLE}'"

SIGN_IN = f"""
CREATE OR REPLACE FUNCTION masterplan.sign_in(
    who_issuer text, who_subject text, who_email text, verified boolean, who_name text, token bigint
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = masterplan, pg_temp AS $$
DECLARE
    found bigint;
    invited invitation;
BEGIN
    INSERT INTO account AS a (issuer, subject, email, email_verified, name, newest_token)
        VALUES (who_issuer, who_subject, who_email, verified AND NOT {_PUBLIC}, who_name, token)
        ON CONFLICT (issuer, subject) DO UPDATE SET email = excluded.email, name = excluded.name,
            -- What the team's process verified stays so while the address is the same.
            email_verified = excluded.email_verified
                OR ({_PUBLIC} AND verified AND a.email_verified AND lower(a.email) = lower(excluded.email)),
            seen_at = now(), newest_token = greatest(a.newest_token, excluded.newest_token)
        RETURNING id INTO found;
    IF verified AND EXISTS (SELECT FROM account a WHERE a.id = found AND a.disabled_at IS NULL) THEN
        DELETE FROM invitation i WHERE i.email = lower(who_email) AND i.expires_at > now()
            AND (i.role = 'uat' OR NOT {_PUBLIC}) RETURNING * INTO invited;
        IF invited.email IS NOT NULL THEN
            INSERT INTO account_role (account_id, role, uats, granted_by)
                VALUES (found, invited.role, invited.uats, invited.invited_by) ON CONFLICT (account_id) DO NOTHING;
        END IF;
    END IF;
    RETURN found;
END $$;
COMMENT ON FUNCTION masterplan.sign_in IS
    'The number of the account of an identity. An invitation binds to a verified address; one to the team, and the word that an address is verified, only through the team''s login.';
"""

# Tickets are the team's.
NUMBERED = f"""
CREATE OR REPLACE FUNCTION masterplan.account_numbered(number bigint)
RETURNS TABLE (id bigint, role text, uats text[], disabled boolean, valid_after bigint)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = masterplan, pg_temp AS $$
    SELECT a.id, r.role, coalesce(r.uats, '{{}}'), a.disabled_at IS NOT NULL, a.sessions_valid_after
    FROM account a LEFT JOIN account_role r ON r.account_id = a.id WHERE a.id = number AND NOT {_PUBLIC}
$$;
"""

# What a planner typed in from a letter is not the planner's: who is none any more does not see it.
LETTERS = """
ALTER TABLE masterplan.proposal NO FORCE ROW LEVEL SECURITY, DISABLE TRIGGER USER;
UPDATE masterplan.proposal SET account = NULL, session = ''
    WHERE channel <> 'online' AND (account IS NOT NULL OR session <> '');
ALTER TABLE masterplan.proposal FORCE ROW LEVEL SECURITY, ENABLE TRIGGER USER;
"""

TEXTS = """
ALTER TABLE masterplan.proposal_text ADD public boolean NOT NULL DEFAULT false;
ALTER TABLE masterplan.proposal NO FORCE ROW LEVEL SECURITY;
UPDATE masterplan.proposal_text t SET sought = masterplan.plain(concat_ws(E'\\n', p.title, p.description)),
    public = p.public FROM masterplan.proposal p WHERE p.id = t.proposal_id;
ALTER TABLE masterplan.proposal FORCE ROW LEVEL SECURITY;
ALTER TABLE masterplan.proposal_text ALTER public DROP DEFAULT;
COMMENT ON COLUMN masterplan.proposal_text.sought IS
    'Title and description, a line each, without accents and capitals.';
"""

KEEP = """
CREATE OR REPLACE FUNCTION masterplan.keep_text() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = masterplan, public, pg_temp AS $$
BEGIN
    INSERT INTO proposal_text AS t (proposal_id, sought, public)
        SELECT id, plain(concat_ws(E'\\n', title, description)), changed.public FROM changed
        ON CONFLICT (proposal_id) DO UPDATE SET sought = excluded.sought, public = excluded.public
            WHERE t.sought <> excluded.sought OR t.public <> excluded.public;
    RETURN NULL;
END $$;
"""

# The role of the transaction, which no expression can change, and not a setting.
FIND = """
CREATE OR REPLACE FUNCTION masterplan.saying(word text) RETURNS SETOF bigint STABLE ROWS 500 LANGUAGE plpgsql
SECURITY DEFINER SET search_path = masterplan, public, pg_temp AS $$
BEGIN
    RETURN QUERY EXECUTE 'SELECT proposal_id FROM proposal_text WHERE sought LIKE $1 AND (public OR $2)'
        USING '%' || regexp_replace(plain(word), '([\\\\%_])', '\\\\\\1', 'g') || '%',
            current_setting('role') IN ('masterplan_planner', 'masterplan_administrator', 'masterplan_system');
END $$;
COMMENT ON FUNCTION masterplan.saying IS
    'The proposals that say a word in title or description, accents and case aside; nothing in it is a wildcard. Of those that are not public, only for staff.';
"""
