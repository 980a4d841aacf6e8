"""Who brought something corrects or withdraws it until a planner has looked at it; the system sets the limits.

What was brought without signing in is its author's by the browser session or the tracking code; what an account
brought, by that account alone, as before. The measurer may measure again what is being corrected, named by its code.
"""

from alembic import op

from masterplan.actors import Role
from masterplan.database import role_of

revision = "0008"
down_revision = "0007"

VISITOR, STAKEHOLDER, UAT = role_of(Role.VISITOR), role_of(Role.STAKEHOLDER), role_of(Role.UAT)
SYSTEM, MEASURER = role_of(Role.SYSTEM), role_of(Role.MEASURER)


def upgrade() -> None:
    for statement in (CORRECT, MEASURE, LIMITS):
        op.execute(statement)


_WITHOUT_AN_ACCOUNT = "kind = 'observation' AND channel = 'online' AND account IS NULL"

# The code is nobody else's until the submission is public, and from then on it cannot be changed.
CORRECT = f"""
ALTER POLICY see_by_code ON masterplan.proposal
    USING (status IN ('submitted', 'withdrawn') AND receipt = (SELECT masterplan.acting_receipt()));
CREATE POLICY edit_in_hand ON masterplan.proposal FOR UPDATE TO {VISITOR}, {STAKEHOLDER}, {UAT}
    USING ({_WITHOUT_AN_ACCOUNT} AND status = 'submitted' AND (
        session = (SELECT masterplan.acting_session()) OR receipt = (SELECT masterplan.acting_receipt())))
    WITH CHECK ({_WITHOUT_AN_ACCOUNT} AND status IN ('submitted', 'withdrawn'));
GRANT UPDATE (title, description, theme, status) ON masterplan.proposal TO {VISITOR};
"""

_CORRECTED = "status = 'submitted' AND receipt = (SELECT masterplan.acting_receipt())"

MEASURE = f"""
CREATE POLICY see_what_is_corrected ON masterplan.proposal FOR SELECT TO {MEASURER} USING ({_CORRECTED});
""" + "".join(
    f"""
CREATE POLICY measure_corrected ON masterplan.{table} FOR ALL TO {MEASURER}
    USING (proposal_id = (SELECT id FROM masterplan.proposal WHERE {_CORRECTED}));
"""
    for table in ("measurement", "score")
)

LIMITS = f"""
CREATE POLICY system_keeps ON masterplan.submission_limit FOR ALL TO {SYSTEM} USING (true);
GRANT SELECT, UPDATE (most) ON masterplan.submission_limit TO {SYSTEM};
"""
