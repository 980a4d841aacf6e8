"""Outlines: what the features of a layer that a filter keeps cover together, ready to be met by proposals.

Dissolving, growing and shrinking features is the dear part of a share; it is the same for every proposal.
An outline belongs to one version of a layer and goes when a feature of it changes, so it is never out of date;
it is made when first asked for.
"""

from alembic import op

from masterplan.database import APP_ROLE
from masterplan.place import place

revision = "0003"
down_revision = "0002"

SRID = place().storage_srid
#: A piece of so many vertices fits in a database page uncompressed.
MOST_VERTICES = 64


def upgrade() -> None:
    for statement in (PARTS, TABLES, FORGET, KEEPS, MAKE, GRANTS):
        op.execute(statement)


# An index scan compares the layer at every step: bytes compare many times faster than words of a language.
PARTS = f"""
DROP VIEW masterplan.current_part;
ALTER TABLE masterplan.feature_part ALTER layer_id TYPE text COLLATE "C";
CREATE VIEW masterplan.current_part WITH (security_invoker) AS
    SELECT p.feature_pk, p.layer_id, f.feature_id, f.name_ro, f.name_en, f.status, f.properties, p.geom
    FROM masterplan.feature_part p JOIN masterplan.feature f ON f.pk = p.feature_pk;
GRANT SELECT ON masterplan.current_part TO {APP_ROLE};
"""

TABLES = f"""
CREATE TABLE masterplan.outline (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    layer_id text NOT NULL,
    version integer NOT NULL,
    filter jsonb NOT NULL,
    UNIQUE (layer_id, version, filter),
    FOREIGN KEY (layer_id, version) REFERENCES masterplan.layer_version (layer_id, version) ON DELETE CASCADE
);
-- The edge as it is, moved in and moved out by the layer's accuracy; and each feature for itself, to be named.
CREATE TABLE masterplan.outline_part (
    outline_id integer NOT NULL REFERENCES masterplan.outline ON DELETE CASCADE,
    edge text COLLATE "C" NOT NULL CHECK (edge IN ('as_is', 'moved_in', 'moved_out', 'feature')),
    feature_id text, name_ro text,
    geom geometry(Geometry, {SRID}) NOT NULL
);
ALTER TABLE masterplan.outline_part ALTER geom SET STORAGE MAIN;
CREATE INDEX outline_part_geom ON masterplan.outline_part USING gist (outline_id, geom);
CREATE VIEW masterplan.current_outline WITH (security_invoker) AS
    SELECT o.id, o.layer_id, o.filter FROM masterplan.outline o
    JOIN masterplan.layer l ON l.id = o.layer_id AND l.version = o.version;
"""

FORGET = """
CREATE FUNCTION masterplan.forget_outlines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM masterplan.outline WHERE layer_id IN (SELECT DISTINCT layer_id FROM changed);
    RETURN NULL;
END $$;
CREATE TRIGGER forget_outlines_of_new AFTER INSERT ON masterplan.feature REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION masterplan.forget_outlines();
CREATE TRIGGER forget_outlines_of_changed AFTER UPDATE ON masterplan.feature REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION masterplan.forget_outlines();
CREATE TRIGGER forget_outlines_of_gone AFTER DELETE ON masterplan.feature REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION masterplan.forget_outlines();
"""

KEEPS = """
CREATE FUNCTION masterplan.keeps(filter jsonb, facts jsonb) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$
    SELECT NOT EXISTS (
        SELECT FROM jsonb_each(filter) AS f(name, wanted)
        WHERE NOT coalesce(CASE jsonb_typeof(wanted)
            WHEN 'array' THEN facts -> name IN (SELECT jsonb_array_elements(wanted))
            WHEN 'object' THEN jsonb_typeof(facts -> name) = 'number' AND NOT EXISTS (
                SELECT FROM jsonb_each(wanted) AS w(word, edge)
                WHERE NOT coalesce(CASE word
                    WHEN 'below' THEN (facts -> name)::float8 < edge::float8
                    WHEN 'at_most' THEN (facts -> name)::float8 <= edge::float8
                    WHEN 'at_least' THEN (facts -> name)::float8 >= edge::float8
                    WHEN 'above' THEN (facts -> name)::float8 > edge::float8
                END, false))
            ELSE facts -> name = wanted
        END, false))
$$;
COMMENT ON FUNCTION masterplan.keeps IS 'Whether the filter of a criterion keeps a feature with these facts.';
"""

MAKE = f"""
CREATE FUNCTION masterplan.make_outline(layer text, kept jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = masterplan, public, pg_temp SET statement_timeout = '10min' AS $$
DECLARE
    made integer;
    metres float8;
    whole geometry;
BEGIN
    INSERT INTO outline (layer_id, version, filter)
        SELECT l.id, l.version, kept FROM layer l WHERE l.id = make_outline.layer
        ON CONFLICT DO NOTHING RETURNING id INTO made;
    IF made IS NULL THEN
        RETURN;
    END IF;
    SELECT accuracy_m INTO metres FROM layer l WHERE l.id = make_outline.layer;
    INSERT INTO outline_part (outline_id, edge, feature_id, name_ro, geom)
        SELECT made, 'feature', p.feature_id, p.name_ro, p.geom FROM current_part p
        WHERE p.layer_id = make_outline.layer AND keeps(kept, p.properties || jsonb_build_object(
            'status', p.status, 'feature_id', p.feature_id, 'name_ro', p.name_ro, 'name_en', p.name_en));
    -- On a grid of a micrometre: else neighbours may leave a hole of no width between them, and what
    -- holds such a hole is intersected to nothing.
    SELECT ST_Union(geom, 0.000001) INTO whole FROM outline_part WHERE outline_id = made;
    INSERT INTO outline_part (outline_id, edge, geom)
        SELECT made, e.edge, ST_Subdivide(
            CASE WHEN e.metres = 0 THEN whole ELSE ST_Buffer(whole, e.metres) END, {MOST_VERTICES})
        FROM (VALUES ('as_is', 0), ('moved_in', -metres), ('moved_out', metres)) AS e(edge, metres);
    ANALYZE outline_part;
    DELETE FROM outline o USING layer l WHERE o.layer_id = make_outline.layer AND l.id = o.layer_id
        AND o.filter = kept AND o.version < l.version;
END $$;
COMMENT ON FUNCTION masterplan.make_outline IS
    'Keeps the outline of what a filter keeps of a layer''s current version, if it is not kept yet.';
REVOKE EXECUTE ON FUNCTION masterplan.make_outline FROM PUBLIC;
"""

GRANTS = f"""
GRANT SELECT ON masterplan.outline, masterplan.outline_part, masterplan.current_outline TO {APP_ROLE};
GRANT EXECUTE ON FUNCTION masterplan.make_outline, masterplan.keeps TO {APP_ROLE};
"""
