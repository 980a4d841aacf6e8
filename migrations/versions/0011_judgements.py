"""What planners give criteria, and lines whose neighbours must be measured again.

What planners give: judgements and overrides in one append-only table, read as the results are read.

A row is a judgement (points of a judged criterion), an override (a gate's verdict, or points in the place of those
computed) or takes back what was given. The latest of a criterion counts. The reason is as public as the proposal;
of its author everyone reads the role, staff the account.

A public mobility line that appears, changes or disappears leaves a job: lines that end near it are measured again.
"""

from alembic import op

from masterplan.actors import Role
from masterplan.database import role_of

revision = "0011"
down_revision = "0010"

PEOPLE = ", ".join(role_of(role) for role in (Role.VISITOR, Role.STAKEHOLDER, Role.UAT))
SYSTEM, MEASURER = role_of(Role.SYSTEM), role_of(Role.MEASURER)


def upgrade() -> None:
    for statement in (COLUMNS, KEPT, LOCKS, NEIGHBOURS):
        op.execute(statement)


COLUMNS = """
ALTER TABLE masterplan.assessment
    ADD kind text NOT NULL DEFAULT 'judgement' CHECK (kind IN ('judgement', 'override', 'taken_back')),
    ADD verdict text CHECK (verdict IN ('pass', 'note', 'person', 'fail')),
    ADD computed jsonb,
    ADD criteria_set text REFERENCES masterplan.criteria_set,
    ADD role text NOT NULL DEFAULT 'planner',
    ALTER value DROP NOT NULL,
    ADD CHECK (CASE kind WHEN 'judgement' THEN value IS NOT NULL AND verdict IS NULL
        WHEN 'override' THEN num_nonnulls(value, verdict) = 1 ELSE num_nonnulls(value, verdict) = 0 END);
COMMENT ON COLUMN masterplan.assessment.computed IS 'What was computed when it was given: value, verdict or score.';
COMMENT ON COLUMN masterplan.assessment.role IS 'The role of who gave it; filled in by the database.';
DROP INDEX masterplan.assessment_proposal;
CREATE INDEX assessment_latest ON masterplan.assessment (proposal_id, criterion, id);
"""

KEPT = """
CREATE FUNCTION masterplan.keep_assessments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.role := coalesce(nullif(current_setting('masterplan.role', true), ''), 'owner');
        NEW.made_at := clock_timestamp();
        RETURN NEW;
    ELSIF (to_jsonb(NEW) - 'account') IS DISTINCT FROM (to_jsonb(OLD) - 'account') OR NEW.account IS NOT NULL THEN
        -- An account that is deleted leaves what it said.
        RAISE insufficient_privilege USING MESSAGE = 'what was given stays: give another';
    END IF;
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION masterplan.keep_assessments FROM PUBLIC;
CREATE TRIGGER keep BEFORE INSERT OR UPDATE ON masterplan.assessment
    FOR EACH ROW EXECUTE FUNCTION masterplan.keep_assessments();
"""

LOCKS = f"""
CREATE POLICY see ON masterplan.assessment FOR SELECT TO {PEOPLE}, {MEASURER}
    USING (EXISTS (SELECT FROM masterplan.proposal p WHERE p.id = proposal_id));
GRANT SELECT (id, proposal_id, criterion, kind, value, verdict, reason, computed, criteria_set, role, made_at)
    ON masterplan.assessment TO {PEOPLE}, {MEASURER};
-- The command line, which has no account.
CREATE POLICY system_assesses ON masterplan.assessment FOR INSERT TO {SYSTEM} WITH CHECK (account IS NULL);
GRANT INSERT ON masterplan.assessment TO {SYSTEM};
"""

# The same rows as `proposals.measuring.UAT_LINES_SELECT`. Where very many change together (a seeding, an import),
# naming each would only repeat what is measured anyway: the job then names the moment.
NEIGHBOURS = """
CREATE FUNCTION masterplan.is_network(p masterplan.proposal) RETURNS boolean IMMUTABLE LANGUAGE sql
    RETURN p.public AND p.kind = 'proposal' AND p.theme = 'mobility' AND public.ST_Dimension(p.geom) = 1;

CREATE FUNCTION masterplan.note_lines() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = masterplan, public, pg_temp AS $$
DECLARE
    changed jsonb;
    most constant integer := 200;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT jsonb_agg(jsonb_build_object('id', n.id, 'uat', n.on_behalf_of, 'geom', encode(ST_AsEWKB(n.geom), 'hex')))
            INTO changed FROM (SELECT * FROM new_rows p WHERE is_network(p) LIMIT most + 1) n;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT jsonb_agg(jsonb_build_object('id', o.id, 'uat', o.on_behalf_of, 'geom', encode(ST_AsEWKB(o.geom), 'hex')))
            INTO changed FROM (SELECT * FROM old_rows p WHERE is_network(p) LIMIT most + 1) o;
    ELSE
        SELECT jsonb_agg(jsonb_build_object('id', c.id, 'uat', c.uat, 'geom', encode(ST_AsEWKB(c.geom), 'hex')))
            INTO changed FROM (
                SELECT r.id, r.uat, r.geom FROM new_rows n JOIN old_rows o USING (id) CROSS JOIN LATERAL (VALUES
                    (o.id, o.on_behalf_of, o.geom, is_network(o)), (n.id, n.on_behalf_of, n.geom, is_network(n))
                ) r(id, uat, geom, counts)
                WHERE r.counts AND (is_network(o) <> is_network(n) OR o.on_behalf_of IS DISTINCT FROM n.on_behalf_of
                    OR NOT ST_OrderingEquals(o.geom, n.geom)) LIMIT most + 1) c;
    END IF;
    IF jsonb_array_length(changed) > most THEN
        INSERT INTO job (kind, payload) VALUES ('lines_changed', jsonb_build_object('measured_before', clock_timestamp()));
    ELSIF changed IS NOT NULL THEN
        INSERT INTO job (kind, payload) VALUES ('lines_changed', jsonb_build_object('lines', changed));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER note_lines_new AFTER INSERT ON masterplan.proposal REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION masterplan.note_lines();
CREATE TRIGGER note_lines_changed AFTER UPDATE ON masterplan.proposal
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION masterplan.note_lines();
CREATE TRIGGER note_lines_gone AFTER DELETE ON masterplan.proposal REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION masterplan.note_lines();
REVOKE EXECUTE ON FUNCTION masterplan.is_network, masterplan.note_lines FROM PUBLIC;
"""
