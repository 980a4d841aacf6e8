SELECT p.receipt, p.kind, p.theme, p.status, p.title, p.description, p.author_kind, p.channel, p.uat,
    u.name_ro AS uat_name, p.on_behalf_of, p.budget_lei, p.documentation_stage, p.created_at, p.demo, p.criteria_set,
    m.edition, m.stale, s.total AS score, s.coverage, s.recommendation,
    (SELECT jsonb_object_agg(c.key, jsonb_build_object('value', c.result -> 'value', 'unit', c.result -> 'unit',
            'score', c.result -> 'score', 'verdict', c.result -> 'verdict', 'weight', c.result -> 'weight'))
     FROM jsonb_each(s.results) AS c(key, result)) AS criteria,
    ST_Transform(p.geom, 4326) AS geometry
FROM masterplan.proposal p
LEFT JOIN masterplan.score s ON s.proposal_id = p.id AND s.criteria_set = p.criteria_set
LEFT JOIN masterplan.measurement m ON m.proposal_id = p.id
LEFT JOIN masterplan.current_feature u ON u.layer_id = 'uat' AND u.properties ->> 'siruta' = p.uat
ORDER BY p.id
