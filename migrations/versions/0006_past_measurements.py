"""What was measured before, so that a changed result can be explained; criteria sets never go back.

Scores are arithmetic on measures, so old measures and the versions they were taken on are all that an old
result needs. One is kept only when measuring again found something else.
"""

from alembic import op

from masterplan.database import APP_ROLE

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    for statement in (PAST, NEVER_BACK):
        op.execute(statement)


PAST = f"""
CREATE TABLE masterplan.past_measurement (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    proposal_id bigint NOT NULL REFERENCES masterplan.proposal ON DELETE CASCADE,
    measures jsonb NOT NULL,
    layer_versions jsonb NOT NULL,
    edition integer NOT NULL,
    measured_at timestamptz NOT NULL,
    replaced_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX past_measurement_proposal ON masterplan.past_measurement (proposal_id, id);
-- Only the trigger writes, and only adds.
GRANT SELECT ON masterplan.past_measurement TO {APP_ROLE};

CREATE FUNCTION masterplan.keep_past_measurement() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO masterplan.past_measurement (proposal_id, measures, layer_versions, edition, measured_at)
    VALUES (OLD.proposal_id, OLD.measures, OLD.layer_versions, OLD.edition, OLD.measured_at);
    RETURN NULL;
END $$;
CREATE TRIGGER keep_past AFTER UPDATE ON masterplan.measurement
    FOR EACH ROW WHEN (OLD.measures IS DISTINCT FROM NEW.measures)
    EXECUTE FUNCTION masterplan.keep_past_measurement();
"""

NEVER_BACK = """
CREATE FUNCTION masterplan.refuse_earlier_status() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE life constant text[] := ARRAY['draft', 'consultation', 'published', 'retired'];
BEGIN
    IF array_position(life, NEW.status) < array_position(life, OLD.status) THEN
        RAISE EXCEPTION 'criteria set % is %, and never % again', OLD.version, OLD.status, NEW.status;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER never_back BEFORE UPDATE ON masterplan.criteria_set
    FOR EACH ROW EXECUTE FUNCTION masterplan.refuse_earlier_status();
"""
