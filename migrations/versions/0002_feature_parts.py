"""Small pieces of every current feature, which measures read: a large outline is slow to intersect.

A trigger keeps them, so that nothing that stores features has to know.
"""

from alembic import op

from masterplan.database import APP_ROLE
from masterplan.place import place

revision = "0002"
down_revision = "0001"

SRID = place().storage_srid
#: A piece of so many vertices fits in a database page uncompressed.
MOST_VERTICES = 64


def upgrade() -> None:
    for statement in (TABLE, TRIGGER, VIEW):
        op.execute(statement)


TABLE = f"""
CREATE TABLE masterplan.feature_part (
    feature_pk bigint NOT NULL REFERENCES masterplan.feature ON DELETE CASCADE,
    layer_id text NOT NULL,
    geom geometry(Geometry, {SRID}) NOT NULL
);
ALTER TABLE masterplan.feature_part ALTER geom SET STORAGE MAIN;
CREATE INDEX feature_part_geom ON masterplan.feature_part USING gist (layer_id, geom);
CREATE INDEX feature_part_feature ON masterplan.feature_part (feature_pk);
-- The lines of other UATs that a mobility proposal may continue: a few among many.
CREATE INDEX proposal_public_mobility ON masterplan.proposal USING gist (geom)
    WHERE public AND kind = 'proposal' AND theme = 'mobility';
"""

TRIGGER = f"""
CREATE FUNCTION masterplan.keep_parts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM masterplan.feature_part WHERE feature_pk = NEW.pk;
    END IF;
    IF upper_inf(NEW.versions) THEN
        INSERT INTO masterplan.feature_part (feature_pk, layer_id, geom)
        SELECT NEW.pk, NEW.layer_id, ST_Subdivide(NEW.geom, {MOST_VERTICES});
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_parts AFTER INSERT OR UPDATE OF versions, geom ON masterplan.feature
    FOR EACH ROW EXECUTE FUNCTION masterplan.keep_parts();
INSERT INTO masterplan.feature_part (feature_pk, layer_id, geom)
    SELECT pk, layer_id, ST_Subdivide(geom, {MOST_VERTICES}) FROM masterplan.feature WHERE upper_inf(versions);
"""

VIEW = f"""
CREATE VIEW masterplan.current_part WITH (security_invoker) AS
    SELECT p.feature_pk, p.layer_id, f.feature_id, f.name_ro, f.name_en, f.status, f.properties, p.geom
    FROM masterplan.feature_part p JOIN masterplan.feature f ON f.pk = p.feature_pk;
GRANT SELECT ON masterplan.feature_part, masterplan.current_part TO {APP_ROLE};
"""
