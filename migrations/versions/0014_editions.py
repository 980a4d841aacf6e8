"""Editions that freeze, with their calendar, their contents and their export; change-sets that decisions make.

An edition, once published, says which version of each layer it holds, keeps the bytes of its export, and never changes:
triggers refuse whatever would alter what it shows, whoever asks. A decision to integrate becomes rows of a change-set
that planners prepare, and that one function puts into the draft as new versions of the layers.
"""

from alembic import op

from masterplan.actors import Role
from masterplan.database import EVERYONE, PUBLIC_ROLE, role_of
from masterplan.place import place

revision = "0014"
down_revision = "0013"

SRID = place().storage_srid
STAFF = f"{role_of(Role.PLANNER)}, {role_of(Role.ADMINISTRATOR)}"
PEOPLE = ", ".join(role_of(role) for role in (Role.VISITOR, Role.STAKEHOLDER, Role.UAT))
SYSTEM = role_of(Role.SYSTEM)
_AS_OWNER = "SECURITY DEFINER SET search_path = masterplan, public, pg_temp"


def upgrade() -> None:
    for statement in (CALENDAR, CONTENTS, CHANGES, AS_OF, FROZEN, PUBLISH, APPLY, LOCKS, HISTORY, VIEWS):
        op.execute(statement)


CALENDAR = """
ALTER TABLE masterplan.edition
    ADD opens_on date,
    ADD closes_on date,
    ADD minutes text NOT NULL DEFAULT '' CHECK (length(minutes) <= 2000),
    ADD adopting_act text NOT NULL DEFAULT '' CHECK (length(adopting_act) <= 500),
    ADD published_by bigint,
    ADD sha256 text,
    ADD CONSTRAINT ten_days CHECK (num_nonnulls(opens_on, closes_on) IN (0, 2) AND closes_on >= opens_on + 10),
    ADD CONSTRAINT published_at_a_moment CHECK ((status = 'published') = (published_at IS NOT NULL)) NOT VALID;
COMMENT ON COLUMN masterplan.edition.closes_on IS 'The last day of its consultation, at least ten days after the first.';
COMMENT ON COLUMN masterplan.edition.published_by IS
    'The number of the account; no reference, which would change a published edition when the account goes.';
COMMENT ON COLUMN masterplan.edition.sha256 IS 'Of the bytes of its export.';
"""

CONTENTS = """
CREATE TABLE masterplan.edition_layer (
    edition integer NOT NULL REFERENCES masterplan.edition,
    layer_id text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (edition, layer_id),
    FOREIGN KEY (layer_id, version) REFERENCES masterplan.layer_version (layer_id, version)
);
COMMENT ON TABLE masterplan.edition_layer IS
    'The version of each layer that a published edition holds (plan) or was measured on (evidence).';

CREATE TABLE masterplan.edition_export (
    edition integer PRIMARY KEY REFERENCES masterplan.edition,
    content bytea NOT NULL,
    sha256 text NOT NULL CHECK (sha256 = encode(sha256(content), 'hex'))
);
COMMENT ON TABLE masterplan.edition_export IS 'The GeoJSON of an edition as it was published, byte for byte.';
"""

CHANGES = f"""
CREATE TABLE masterplan.plan_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    proposal_id bigint NOT NULL,
    action text NOT NULL CHECK (action IN ('add', 'change', 'remove')),
    layer_id text NOT NULL REFERENCES masterplan.layer,
    feature_id text NOT NULL CHECK (length(feature_id) BETWEEN 1 AND 200),
    name_ro text NOT NULL DEFAULT '' CHECK (length(name_ro) <= 300),
    name_en text NOT NULL DEFAULT '' CHECK (length(name_en) <= 300),
    status text CHECK (status IN ('existing', 'proposed', 'prospective')),
    properties jsonb NOT NULL DEFAULT '{{}}',
    geom geometry(Geometry, {SRID}) CHECK (ST_IsValid(geom) AND NOT ST_IsEmpty(geom)),
    state text NOT NULL DEFAULT 'prepared' CHECK (state IN ('prepared', 'applied', 'dropped')),
    account bigint DEFAULT masterplan.acting_account(),
    prepared_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    edition integer REFERENCES masterplan.edition,
    version integer,
    applied_at timestamptz,
    CHECK (CASE action WHEN 'remove' THEN geom IS NULL ELSE geom IS NOT NULL AND length(btrim(name_ro)) > 0 END),
    CHECK ((state = 'applied') = (applied_at IS NOT NULL)),
    CHECK (state <> 'applied' OR num_nulls(edition, version) = 0)
);
COMMENT ON TABLE masterplan.plan_change IS
    'What an integrated proposal adds to, changes in or removes from the plan; applied rows never change, nor go with it.';
CREATE UNIQUE INDEX plan_change_prepared ON masterplan.plan_change (layer_id, feature_id) WHERE state = 'prepared';
CREATE INDEX plan_change_proposal ON masterplan.plan_change (proposal_id);
CREATE INDEX plan_change_feature ON masterplan.plan_change (layer_id, feature_id, edition) WHERE state = 'applied';
CREATE INDEX feature_proposal ON masterplan.feature (proposal_id) WHERE proposal_id IS NOT NULL;
"""

# One statement without settings of its own: the planner sees through it to the tables, and in each half to the index
# of what is in the plan or of what is not any more.
AS_OF = """
CREATE FUNCTION masterplan.features_of(of_edition integer) RETURNS SETOF masterplan.feature STABLE LANGUAGE sql AS $$
    SELECT f.* FROM masterplan.feature f JOIN masterplan.edition_layer e
        ON e.edition = of_edition AND f.layer_id = e.layer_id AND f.versions @> e.version
        WHERE upper_inf(f.versions)
    UNION ALL SELECT f.* FROM masterplan.feature f JOIN masterplan.edition_layer e
        ON e.edition = of_edition AND f.layer_id = e.layer_id AND f.versions @> e.version
        WHERE NOT upper_inf(f.versions)
$$;
COMMENT ON FUNCTION masterplan.features_of IS 'Every feature as a published edition holds it.';
CREATE INDEX feature_past_geom ON masterplan.feature USING gist (geom) WHERE NOT upper_inf(versions);
CREATE INDEX feature_past_geom_3857 ON masterplan.feature USING gist (geom_3857) WHERE NOT upper_inf(versions);
"""

FROZEN = """
CREATE FUNCTION masterplan.keep_published_features() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND EXISTS (SELECT FROM masterplan.edition_layer e
        WHERE e.layer_id = OLD.layer_id AND OLD.versions @> e.version
            AND (TG_OP = 'DELETE' OR NOT NEW.versions @> e.version OR (OLD.editions @> e.edition) IS DISTINCT FROM
                (NEW.editions @> e.edition) OR (to_jsonb(NEW) - ARRAY['versions', 'editions', 'geom', 'geom_3857'])
                IS DISTINCT FROM (to_jsonb(OLD) - ARRAY['versions', 'editions', 'geom', 'geom_3857'])
                OR ST_AsBinary(NEW.geom) <> ST_AsBinary(OLD.geom)))
        OR TG_OP <> 'DELETE' AND EXISTS (SELECT FROM masterplan.edition_layer e
        WHERE e.layer_id = NEW.layer_id AND NEW.versions @> e.version
            AND (TG_OP = 'INSERT' OR NOT OLD.versions @> e.version))
    THEN
        RAISE insufficient_privilege USING MESSAGE = 'a published edition never changes';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER keep_published BEFORE INSERT OR UPDATE OR DELETE ON masterplan.feature
    FOR EACH ROW EXECUTE FUNCTION masterplan.keep_published_features();

CREATE FUNCTION masterplan.keep_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = 'a published edition never changes';
END $$;
CREATE TRIGGER keep_published BEFORE UPDATE OR DELETE ON masterplan.edition
    FOR EACH ROW WHEN (OLD.status = 'published') EXECUTE FUNCTION masterplan.keep_published();
CREATE TRIGGER keep_published BEFORE UPDATE OR DELETE ON masterplan.edition_layer
    FOR EACH ROW EXECUTE FUNCTION masterplan.keep_published();
CREATE TRIGGER keep_published BEFORE UPDATE OR DELETE ON masterplan.edition_export
    FOR EACH ROW EXECUTE FUNCTION masterplan.keep_published();
CREATE TRIGGER keep_published BEFORE UPDATE OR DELETE ON masterplan.plan_change
    FOR EACH ROW WHEN (OLD.state = 'applied') EXECUTE FUNCTION masterplan.keep_published();

CREATE FUNCTION masterplan.keep_all_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM masterplan.edition WHERE status = 'published') THEN
        RAISE insufficient_privilege USING MESSAGE = 'a published edition never changes';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_all BEFORE TRUNCATE ON masterplan.feature
    FOR EACH STATEMENT EXECUTE FUNCTION masterplan.keep_all_published();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON masterplan.edition
    FOR EACH STATEMENT EXECUTE FUNCTION masterplan.keep_all_published();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON masterplan.edition_layer
    FOR EACH STATEMENT EXECUTE FUNCTION masterplan.keep_all_published();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON masterplan.edition_export
    FOR EACH STATEMENT EXECUTE FUNCTION masterplan.keep_all_published();

CREATE FUNCTION masterplan.keep_published_versions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM masterplan.edition_layer e WHERE e.layer_id = OLD.layer_id AND e.version = OLD.version) THEN
        RAISE insufficient_privilege USING MESSAGE = 'a published edition never changes';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER keep_published BEFORE UPDATE OR DELETE ON masterplan.layer_version
    FOR EACH ROW EXECUTE FUNCTION masterplan.keep_published_versions();
"""

# The export is made between the two: nobody else changes the plan until the transaction ends.
PUBLISH = f"""
CREATE FUNCTION masterplan.hold_plan() RETURNS integer LANGUAGE plpgsql {_AS_OWNER} AS $$
DECLARE
    held integer;
BEGIN
    LOCK TABLE layer, layer_version, feature IN SHARE MODE;
    SELECT id INTO held FROM edition WHERE status = 'draft' FOR UPDATE;
    RETURN held;
END $$;
COMMENT ON FUNCTION masterplan.hold_plan IS 'The number of the draft; until the transaction ends nobody changes the plan.';

CREATE FUNCTION masterplan.publish_edition(number integer, at timestamptz, written bytea, next_label text)
RETURNS integer LANGUAGE plpgsql {_AS_OWNER} AS $$
DECLARE
    draft edition;
BEGIN
    SELECT * INTO draft FROM edition WHERE id = number AND status = 'draft' FOR UPDATE;
    IF NOT FOUND THEN
        RAISE insufficient_privilege USING MESSAGE = 'not the draft';
    END IF;
    IF draft.closes_on >= (now() AT TIME ZONE 'Europe/Bucharest')::date THEN
        RAISE check_violation USING MESSAGE = 'its consultation is still open';
    END IF;
    INSERT INTO edition_layer (edition, layer_id, version) SELECT number, id, version FROM layer;
    INSERT INTO edition_export (edition, content, sha256) VALUES (number, written, encode(sha256(written), 'hex'));
    UPDATE edition SET status = 'published', published_at = at, published_by = acting_account(),
        sha256 = encode(sha256(written), 'hex') WHERE id = number;
    INSERT INTO edition (id, label, status) VALUES (number + 1, next_label, 'draft');
    RETURN number + 1;
END $$;
COMMENT ON FUNCTION masterplan.publish_edition IS 'Freezes the draft with its export, and opens the next; the number of that.';
"""

APPLY = f"""
CREATE FUNCTION masterplan.apply_changes(of_proposal bigint) RETURNS integer LANGUAGE plpgsql {_AS_OWNER} AS $$
DECLARE
    draft integer;
    about record;
    next_version integer;
    closed integer;
    applied integer := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM decision WHERE proposal_id = of_proposal AND reopened_at IS NULL
        AND outcome IN ('integrate', 'integrate_partly')) THEN
        RAISE insufficient_privilege USING MESSAGE = 'no published decision integrates this proposal';
    END IF;
    SELECT id INTO draft FROM edition WHERE status = 'draft' FOR SHARE;
    FOR about IN SELECT layer_id, count(*) FILTER (WHERE action <> 'add') AS closing,
            encode(sha256(convert_to(string_agg(to_jsonb(c)::text, E'\\n' ORDER BY c.id), 'UTF8')), 'hex') AS digest
        FROM plan_change c WHERE proposal_id = of_proposal AND state = 'prepared' GROUP BY layer_id ORDER BY layer_id
    LOOP
        PERFORM pg_advisory_xact_lock(hashtext('layer ' || about.layer_id));
        UPDATE layer SET version = version + 1, loaded_at = clock_timestamp() WHERE id = about.layer_id
            RETURNING version INTO next_version;
        UPDATE feature f SET versions = int4range(lower(versions), next_version),
                editions = CASE WHEN editions IS NOT NULL THEN int4range(lower(editions), draft) END
            FROM plan_change c WHERE c.proposal_id = of_proposal AND c.state = 'prepared' AND c.action <> 'add'
                AND c.layer_id = about.layer_id AND f.layer_id = c.layer_id AND f.feature_id = c.feature_id
                AND upper_inf(f.versions);
        GET DIAGNOSTICS closed = ROW_COUNT;
        IF closed <> about.closing THEN
            RAISE check_violation USING MESSAGE = 'a feature is not in the plan any more';
        END IF;
        INSERT INTO feature (layer_id, feature_id, versions, editions, name_ro, name_en, status, properties, source,
                source_date, indicative, proposal_id, geom)
            SELECT c.layer_id, c.feature_id, int4range(next_version, NULL),
                CASE WHEN l.kind = 'plan' THEN int4range(draft, NULL) END, c.name_ro, coalesce(nullif(c.name_en, ''),
                c.name_ro), c.status, c.properties, l.source, current_date, l.indicative, of_proposal,
                CASE WHEN l.geometry_type LIKE 'Multi%' THEN ST_Multi(c.geom) ELSE c.geom END
            FROM plan_change c JOIN layer l ON l.id = c.layer_id
            WHERE c.proposal_id = of_proposal AND c.state = 'prepared' AND c.action <> 'remove'
                AND c.layer_id = about.layer_id;
        INSERT INTO layer_version (layer_id, version, edition, source, source_date, indicative, accuracy_m, feature_count,
                file_sha256)
            SELECT id, next_version, CASE WHEN kind = 'plan' THEN draft END, source, source_date, indicative, accuracy_m,
                (SELECT count(*) FROM feature f WHERE f.layer_id = l.id AND upper_inf(f.versions)), about.digest
            FROM layer l WHERE id = about.layer_id;
        UPDATE plan_change SET state = 'applied', applied_at = clock_timestamp(), edition = draft, version = next_version
            WHERE proposal_id = of_proposal AND state = 'prepared' AND layer_id = about.layer_id;
        GET DIAGNOSTICS closed = ROW_COUNT;
        applied := applied + closed;
        INSERT INTO job (kind, payload) VALUES ('layer_changed', jsonb_build_object('layer', about.layer_id));
        PERFORM note_event('plan_changed', 'proposal', of_proposal::text, NULL, jsonb_build_object('edition', draft,
            'layer', about.layer_id, 'version', next_version, 'sha256', about.digest));
    END LOOP;
    RETURN applied;
END $$;
COMMENT ON FUNCTION masterplan.apply_changes IS
    'Puts what is prepared of an integrated proposal into the draft, as new versions of its layers; how many changes.';
"""

_CHANGE = "proposal_id, action, layer_id, feature_id, name_ro, name_en, status, properties, geom"
_ADJUSTED = "name_ro, name_en, status, properties, geom, state"

LOCKS = "".join(
    f"""
ALTER TABLE masterplan.{table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_keeps ON masterplan.{table} FOR ALL TO CURRENT_USER USING (true) WITH CHECK (true);
"""
    for table in ("edition_layer", "edition_export", "plan_change")
) + f"""
CREATE POLICY everyone_reads ON masterplan.edition_layer FOR SELECT TO {EVERYONE} USING (true);
CREATE POLICY everyone_reads ON masterplan.edition_export FOR SELECT TO {EVERYONE} USING (true);
GRANT SELECT ON masterplan.edition_layer, masterplan.edition_export TO {EVERYONE};

DROP POLICY publish ON masterplan.edition;
-- Which columns, says the grant; that a published edition never changes, the trigger.
REVOKE UPDATE (status, published_at, note) ON masterplan.edition FROM {STAFF};
REVOKE SELECT ON masterplan.edition FROM {EVERYONE};
GRANT SELECT (id, label, status, opened_at, published_at, note, opens_on, closes_on, minutes, adopting_act, sha256)
    ON masterplan.edition TO {EVERYONE};
CREATE POLICY prepare ON masterplan.edition FOR UPDATE TO {STAFF}, {SYSTEM} USING (true);
GRANT UPDATE (label, note, opens_on, closes_on, minutes, adopting_act) ON masterplan.edition TO {STAFF}, {SYSTEM};

CREATE POLICY staff_reads ON masterplan.plan_change FOR SELECT TO {STAFF}, {SYSTEM} USING (true);
CREATE POLICY show_applied ON masterplan.plan_change FOR SELECT TO {PEOPLE} USING (state = 'applied');
CREATE POLICY prepare ON masterplan.plan_change FOR INSERT TO {STAFF}, {SYSTEM}
    WITH CHECK (EXISTS (SELECT FROM masterplan.layer l WHERE l.id = layer_id AND l.kind = 'plan'));
CREATE POLICY adjust ON masterplan.plan_change FOR UPDATE TO {STAFF}, {SYSTEM}
    USING (state = 'prepared') WITH CHECK (true);
GRANT SELECT, INSERT ({_CHANGE}), UPDATE ({_ADJUSTED}) ON masterplan.plan_change TO {STAFF}, {SYSTEM};
GRANT SELECT (id, proposal_id, action, layer_id, feature_id, name_ro, name_en, state, edition, version, applied_at)
    ON masterplan.plan_change TO {PEOPLE};

REVOKE EXECUTE ON FUNCTION masterplan.features_of, masterplan.hold_plan, masterplan.publish_edition,
    masterplan.apply_changes, masterplan.keep_published_features, masterplan.keep_published,
    masterplan.keep_all_published, masterplan.keep_published_versions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION masterplan.features_of TO {EVERYONE};
GRANT EXECUTE ON FUNCTION masterplan.hold_plan, masterplan.publish_edition, masterplan.apply_changes TO {STAFF}, {SYSTEM};
"""

_PUBLIC_KINDS = (
    "'proposal_submitted', 'proposal_corrected', 'proposal_moderated', 'proposal_withdrawn', 'proposal_linked',"
    " 'decision_published', 'decision_reopened', 'plan_changed'"
)

HISTORY = f"""
ALTER POLICY public_history ON masterplan.event USING (
    subject_kind IN ('criteria_set', 'edition', 'layer')
    OR (EXISTS (SELECT FROM masterplan.proposal p
            WHERE p.id = CASE subject_kind WHEN 'proposal' THEN subject::bigint END)
        AND kind IN ({_PUBLIC_KINDS}))
);
"""

# Every layer's public view also says in which edition a feature entered and which proposal brought it.
VIEWS = f"""
GRANT SELECT (editions, proposal_id) ON masterplan.feature TO {PUBLIC_ROLE};
DO $$ DECLARE seen record; BEGIN
    FOR seen IN SELECT viewname, definition FROM pg_views WHERE schemaname = 'api' AND viewname <> 'proposals' LOOP
        EXECUTE format('CREATE OR REPLACE VIEW api.%I WITH (security_barrier) AS %s', seen.viewname,
            regexp_replace(seen.definition, '(\\s+FROM masterplan\\.feature f)',
                ', lower(f.editions) AS edition, (SELECT p.receipt FROM masterplan.proposal p WHERE p.id = f.proposal_id)'
                ' AS proposal\\1'));
    END LOOP;
END $$;
"""
