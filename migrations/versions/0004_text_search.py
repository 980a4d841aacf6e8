"""What proposals say, ready to be searched: without accents and capitals, with an index of trigrams.

Under row-level security an index serves only operators known to leak nothing, and `LIKE` is none. So the
texts stand apart, where no login may read them; a function tells which proposals say a word, and the
policies of `masterplan.proposal` keep back those that the asking person may not see.
"""

from alembic import op

from masterplan.database import APP_ROLE

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    for statement in (TABLE, KEEP, FILL, INDEX, FIND):
        op.execute(statement)


TABLE = """
CREATE TABLE masterplan.proposal_text (
    proposal_id bigint PRIMARY KEY REFERENCES masterplan.proposal ON DELETE CASCADE,
    sought text NOT NULL
);
COMMENT ON COLUMN masterplan.proposal_text.sought IS
    'Title, description and receipt, a line each, without accents and capitals.';
CREATE FUNCTION masterplan.plain(said text) RETURNS text STABLE LANGUAGE sql
    RETURN lower(public.unaccent(said));
"""

KEEP = """
CREATE FUNCTION masterplan.keep_text() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = masterplan, public, pg_temp AS $$
BEGIN
    INSERT INTO proposal_text (proposal_id, sought)
        SELECT id, plain(concat_ws(E'\\n', title, description, receipt)) FROM changed
        ON CONFLICT (proposal_id) DO UPDATE SET sought = excluded.sought
            WHERE proposal_text.sought <> excluded.sought;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_text_of_new AFTER INSERT ON masterplan.proposal REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION masterplan.keep_text();
CREATE TRIGGER keep_text_of_changed AFTER UPDATE ON masterplan.proposal REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION masterplan.keep_text();
REVOKE EXECUTE ON FUNCTION masterplan.keep_text FROM PUBLIC;
"""

# The owner, too, sees proposals through policies alone, and has none.
FILL = """
ALTER TABLE masterplan.proposal NO FORCE ROW LEVEL SECURITY;
INSERT INTO masterplan.proposal_text (proposal_id, sought)
    SELECT id, masterplan.plain(concat_ws(E'\\n', title, description, receipt)) FROM masterplan.proposal;
ALTER TABLE masterplan.proposal FORCE ROW LEVEL SECURITY;
"""

INDEX = """
CREATE INDEX proposal_text_sought ON masterplan.proposal_text USING gin (sought public.gin_trgm_ops);
ANALYZE masterplan.proposal_text;
"""

# EXECUTE plans with the word in hand: too short a word has no trigram, and then reading all is faster.
FIND = f"""
CREATE FUNCTION masterplan.saying(word text) RETURNS SETOF bigint STABLE ROWS 500 LANGUAGE plpgsql
SECURITY DEFINER SET search_path = masterplan, public, pg_temp AS $$
BEGIN
    RETURN QUERY EXECUTE 'SELECT proposal_id FROM proposal_text WHERE sought LIKE $1'
        USING '%' || regexp_replace(plain(word), '([\\\\%_])', '\\\\\\1', 'g') || '%';
END $$;
COMMENT ON FUNCTION masterplan.saying IS
    'The proposals that say a word in title, description or receipt, accents and case aside; nothing in it is a wildcard.';
REVOKE EXECUTE ON FUNCTION masterplan.saying FROM PUBLIC;
GRANT EXECUTE ON FUNCTION masterplan.saying TO {APP_ROLE};
"""
