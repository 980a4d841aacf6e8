"""The ground: editions, layers, features, criteria sets, proposals, contacts, scores, jobs, roles."""

from alembic import op

from masterplan.database import APP_ROLE, OGC_ROLE, PUBLIC_ROLE
from masterplan.place import TILE_SRID, place

revision = "0001"
down_revision = None

SRID = place().storage_srid


def upgrade() -> None:
    for statement in (SCHEMAS, PLAN, CRITERIA, PROPOSALS, RESULTS, WORK, SECURITY, VIEWS):
        op.execute(statement)


SCHEMAS = """
CREATE SCHEMA masterplan;
CREATE SCHEMA api;
"""

PLAN = f"""
CREATE TABLE masterplan.edition (
    id integer PRIMARY KEY CHECK (id > 0),
    label text NOT NULL,
    status text NOT NULL CHECK (status IN ('draft', 'published')),
    opened_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    note text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX one_draft_at_a_time ON masterplan.edition (status) WHERE status = 'draft';
INSERT INTO masterplan.edition (id, label, status) VALUES (1, 'Ediția 1', 'draft');

CREATE TABLE masterplan.layer (
    id text PRIMARY KEY CHECK (id ~ '^[a-z][a-z0-9_]{{0,62}}$'),
    group_id text NOT NULL,
    position integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('plan', 'evidence')),
    geometry_type text NOT NULL,
    name_ro text NOT NULL, name_en text NOT NULL,
    description_ro text NOT NULL, description_en text NOT NULL,
    source text NOT NULL, licence text NOT NULL, source_date date NOT NULL,
    indicative boolean NOT NULL,
    accuracy_m double precision NOT NULL CHECK (accuracy_m >= 0),
    attributes jsonb NOT NULL,
    style jsonb NOT NULL DEFAULT '{{}}',
    version integer NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE masterplan.layer_version (
    layer_id text NOT NULL REFERENCES masterplan.layer,
    version integer NOT NULL,
    edition integer REFERENCES masterplan.edition,
    source text NOT NULL, source_date date NOT NULL,
    indicative boolean NOT NULL, accuracy_m double precision NOT NULL,
    feature_count integer NOT NULL,
    file_sha256 text NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    shipped boolean NOT NULL DEFAULT false,
    PRIMARY KEY (layer_id, version)
);

CREATE TABLE masterplan.feature (
    pk bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    layer_id text NOT NULL REFERENCES masterplan.layer,
    feature_id text NOT NULL,
    versions int4range NOT NULL,
    editions int4range,
    name_ro text NOT NULL, name_en text NOT NULL,
    status text CHECK (status IN ('existing', 'proposed', 'prospective')),
    properties jsonb NOT NULL,
    source text NOT NULL, source_date date NOT NULL, indicative boolean NOT NULL,
    proposal_id bigint,
    geom geometry(Geometry, {SRID}) NOT NULL CHECK (ST_IsValid(geom) AND NOT ST_IsEmpty(geom)),
    geom_3857 geometry(Geometry, {TILE_SRID})
        GENERATED ALWAYS AS (ST_Transform(geom, {TILE_SRID})) STORED,
    EXCLUDE USING gist (layer_id WITH =, feature_id WITH =, versions WITH &&),
    EXCLUDE USING gist (layer_id WITH =, feature_id WITH =, editions WITH &&)
);
CREATE INDEX feature_current_geom ON masterplan.feature USING gist (layer_id, geom) WHERE upper_inf(versions);
CREATE INDEX feature_current_geom_3857 ON masterplan.feature USING gist (geom_3857) WHERE upper_inf(versions);

CREATE VIEW masterplan.current_feature WITH (security_invoker) AS
    SELECT * FROM masterplan.feature WHERE upper_inf(versions);
"""

CRITERIA = """
CREATE TABLE masterplan.criteria_set (
    version text PRIMARY KEY,
    status text NOT NULL CHECK (status IN ('draft', 'consultation', 'published', 'retired')),
    definition jsonb NOT NULL,
    source_toml text NOT NULL,
    sha256 text NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);

CREATE FUNCTION masterplan.refuse_changed_definition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> 'draft' AND (NEW.definition, NEW.source_toml) IS DISTINCT FROM (OLD.definition, OLD.source_toml)
    THEN
        RAISE EXCEPTION 'criteria set % is no longer a draft and cannot change', OLD.version;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER immutable_definition BEFORE UPDATE ON masterplan.criteria_set
    FOR EACH ROW EXECUTE FUNCTION masterplan.refuse_changed_definition();
"""

PROPOSALS = f"""
CREATE TABLE masterplan.proposal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    receipt text NOT NULL UNIQUE,
    submission_key uuid NOT NULL UNIQUE,
    kind text NOT NULL CHECK (kind IN ('observation', 'proposal')),
    status text NOT NULL DEFAULT 'submitted' CHECK (status IN ('submitted', 'published', 'hidden')),
    channel text NOT NULL CHECK (channel IN ('online', 'email', 'letter', 'meeting')),
    source_event text NOT NULL DEFAULT '',
    author_kind text NOT NULL CHECK (author_kind IN (
        'institution', 'uat', 'company', 'ngo', 'owners_association', 'professional', 'citizen')),
    theme text NOT NULL CHECK (theme IN (
        'mobility', 'development', 'green_blue', 'energy_renovation', 'public_space', 'water', 'other')),
    title text NOT NULL CHECK (length(title) BETWEEN 3 AND 200),
    description text NOT NULL CHECK (length(description) <= 10000),
    geom geometry(Geometry, {SRID}) NOT NULL CHECK (ST_IsValid(geom) AND NOT ST_IsEmpty(geom)),
    geom_3857 geometry(Geometry, {TILE_SRID})
        GENERATED ALWAYS AS (ST_Transform(geom, {TILE_SRID})) STORED,
    anchor_3857 geometry(Geometry, {TILE_SRID})
        GENERATED ALWAYS AS (ST_PointOnSurface(ST_Transform(geom, {TILE_SRID}))) STORED,
    uat text,
    on_behalf_of text CHECK ((kind = 'proposal') = (on_behalf_of IS NOT NULL)),
    budget_lei numeric CHECK (budget_lei >= 0),
    documentation_stage text CHECK (documentation_stage IN (
        'none', 'idea', 'prefeasibility', 'feasibility', 'technical_project')),
    attributes jsonb NOT NULL DEFAULT '{{}}',
    criteria_set text NOT NULL REFERENCES masterplan.criteria_set,
    edition integer NOT NULL REFERENCES masterplan.edition,
    public boolean NOT NULL GENERATED ALWAYS AS (status = 'published') STORED,
    demo boolean NOT NULL DEFAULT false,
    session text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX proposal_geom ON masterplan.proposal USING gist (geom);
CREATE INDEX proposal_geom_3857 ON masterplan.proposal USING gist (geom_3857);
CREATE INDEX proposal_anchor ON masterplan.proposal USING gist (anchor_3857);
CREATE INDEX proposal_created ON masterplan.proposal (created_at DESC, id DESC);
CREATE INDEX proposal_updated ON masterplan.proposal (updated_at DESC);

CREATE FUNCTION masterplan.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.updated_at := clock_timestamp(); RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON masterplan.proposal
    FOR EACH ROW EXECUTE FUNCTION masterplan.touch();

CREATE TABLE masterplan.contact (
    proposal_id bigint PRIMARY KEY REFERENCES masterplan.proposal ON DELETE CASCADE,
    email text NOT NULL,
    consent_version text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
"""

RESULTS = """
CREATE TABLE masterplan.measurement (
    proposal_id bigint PRIMARY KEY REFERENCES masterplan.proposal ON DELETE CASCADE,
    measures jsonb NOT NULL,
    layer_versions jsonb NOT NULL,
    edition integer NOT NULL REFERENCES masterplan.edition,
    measured_at timestamptz NOT NULL DEFAULT now(),
    stale boolean NOT NULL DEFAULT false
);
CREATE INDEX measurement_stale ON masterplan.measurement (proposal_id) WHERE stale;

CREATE TABLE masterplan.score (
    proposal_id bigint NOT NULL REFERENCES masterplan.proposal ON DELETE CASCADE,
    criteria_set text NOT NULL REFERENCES masterplan.criteria_set,
    total double precision CHECK (total BETWEEN 0 AND 100),
    coverage double precision NOT NULL CHECK (coverage BETWEEN 0 AND 1),
    recommendation text,
    results jsonb NOT NULL,
    scored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (proposal_id, criteria_set)
);
"""

WORK = """
CREATE TABLE masterplan.job (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    payload jsonb NOT NULL DEFAULT '{}',
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL DEFAULT 3,
    run_after timestamptz NOT NULL DEFAULT now(),
    progress double precision NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
    last_error text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    claimed_at timestamptz,
    finished_at timestamptz
);
CREATE INDEX job_open ON masterplan.job (run_after, id) WHERE state IN ('queued', 'running');

CREATE TABLE masterplan.session_role (
    session_id text PRIMARY KEY,
    role text NOT NULL CHECK (role IN ('visitor', 'uat', 'planner')),
    uats text[] NOT NULL DEFAULT '{}',
    updated_at timestamptz NOT NULL DEFAULT now()
);
"""

SECURITY = f"""
CREATE FUNCTION masterplan.acting_role() RETURNS text STABLE LANGUAGE sql
    RETURN coalesce(current_setting('masterplan.role', true), '');
CREATE FUNCTION masterplan.acting_staff() RETURNS boolean STABLE LANGUAGE sql
    RETURN masterplan.acting_role() IN ('planner', 'administrator', 'system');
CREATE FUNCTION masterplan.acting_uats() RETURNS text[] STABLE LANGUAGE sql
    RETURN CASE WHEN masterplan.acting_role() = 'uat'
        THEN string_to_array(current_setting('masterplan.uats', true), ',') ELSE '{{}}'::text[] END;
CREATE FUNCTION masterplan.acting_session() RETURNS text STABLE LANGUAGE sql
    RETURN nullif(current_setting('masterplan.session', true), '');

ALTER TABLE masterplan.proposal ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY see ON masterplan.proposal FOR SELECT TO {APP_ROLE} USING (
    public
    OR (SELECT masterplan.acting_staff())
    OR on_behalf_of = ANY ((SELECT masterplan.acting_uats())::text[])
    OR session = (SELECT masterplan.acting_session())
);
CREATE POLICY submit ON masterplan.proposal FOR INSERT TO {APP_ROLE} WITH CHECK (
    masterplan.acting_staff()
    OR (masterplan.acting_role() <> '' AND status = 'submitted' AND channel = 'online' AND NOT demo AND (
        kind = 'observation' OR on_behalf_of = ANY (masterplan.acting_uats())))
);
CREATE POLICY moderate ON masterplan.proposal FOR UPDATE TO {APP_ROLE}
    USING ((SELECT masterplan.acting_staff())) WITH CHECK (masterplan.acting_staff());
CREATE POLICY clear_demonstration ON masterplan.proposal FOR DELETE TO {APP_ROLE}
    USING (demo AND (SELECT masterplan.acting_role()) = 'system');
CREATE POLICY see_public ON masterplan.proposal FOR SELECT TO {PUBLIC_ROLE} USING (public);

ALTER TABLE masterplan.contact ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY read_contacts ON masterplan.contact FOR SELECT TO {APP_ROLE}
    USING ((SELECT masterplan.acting_staff()));
CREATE POLICY leave_contact ON masterplan.contact FOR INSERT TO {APP_ROLE}
    WITH CHECK (masterplan.acting_role() <> '');

GRANT USAGE ON SCHEMA masterplan TO {APP_ROLE}, {PUBLIC_ROLE};
GRANT SELECT ON ALL TABLES IN SCHEMA masterplan TO {APP_ROLE};
GRANT INSERT ON masterplan.proposal, masterplan.contact, masterplan.measurement, masterplan.score,
    masterplan.job, masterplan.session_role TO {APP_ROLE};
GRANT UPDATE (status), DELETE ON masterplan.proposal TO {APP_ROLE};
GRANT UPDATE, DELETE ON masterplan.measurement, masterplan.score TO {APP_ROLE};
GRANT UPDATE ON masterplan.job, masterplan.session_role TO {APP_ROLE};
GRANT DELETE ON masterplan.session_role TO {APP_ROLE};
GRANT SELECT (id, receipt, kind, status, theme, author_kind, title, description, uat, on_behalf_of,
    budget_lei, documentation_stage, criteria_set, edition, created_at, public, demo, geom, geom_3857, anchor_3857)
    ON masterplan.proposal TO {PUBLIC_ROLE};
GRANT SELECT ON masterplan.score, masterplan.feature TO {PUBLIC_ROLE};
GRANT USAGE ON SCHEMA api TO {OGC_ROLE}, {APP_ROLE};
GRANT USAGE, CREATE ON SCHEMA api TO {PUBLIC_ROLE};
"""

VIEWS = f"""
CREATE VIEW api.proposals WITH (security_barrier) AS
    SELECT p.receipt AS id, p.kind, p.status, p.theme, p.author_kind, p.title, p.description,
           p.uat, p.on_behalf_of, p.budget_lei::double precision, p.documentation_stage,
           p.criteria_set, p.edition, p.created_at, p.demo,
           s.total AS score, s.coverage, s.recommendation,
           p.geom
    FROM masterplan.proposal p
    LEFT JOIN masterplan.score s ON s.proposal_id = p.id AND s.criteria_set = p.criteria_set;
ALTER VIEW api.proposals OWNER TO {PUBLIC_ROLE};
GRANT SELECT ON api.proposals TO {OGC_ROLE};
"""
