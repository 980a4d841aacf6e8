-- The measures of criteria set v0 as one would write them by hand, set-based, for every proposal at once.
-- Same facts as `proposals.measuring`: values, bounds within a layer's accuracy where a gate asks for them,
-- and the feature met. Shared outlines are dissolved, grown and shrunk once, before any proposal is met.
-- Each answer stands under the key of the first criterion that asks for it.

CREATE FUNCTION pg_temp.size(g geometry) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE ST_Dimension(g) WHEN 2 THEN ST_Area(g) WHEN 1 THEN ST_Length(g) ELSE 1 END $$;

CREATE TEMPORARY TABLE subject AS
SELECT id, theme, kind, author_kind, on_behalf_of, budget_lei::float8 AS budget_lei, attributes, geom,
    ST_Dimension(geom) AS dim, pg_temp.size(geom) AS size
FROM masterplan.proposal;
CREATE INDEX ON subject USING gist (geom);
CREATE UNIQUE INDEX ON subject (id);
ANALYZE subject;

-- Shares: each outline once as it is, once grown and once shrunk by the accuracy, in small pieces.
CREATE TEMPORARY TABLE outline AS
WITH asked (key, layer_id, themes, kept) AS (VALUES
    ('zone', 'uat', NULL, '$.in_zone == true'),
    ('flood_frequent', 'flood_bands', '{development,energy_renovation}', '$.probability_percent == 10'),
    ('flood_rare', 'flood_bands', '{mobility,development,energy_renovation,public_space,other}',
        '$.probability_percent == 10 || $.probability_percent == 1'),
    ('flood_extreme', 'flood_bands', '{mobility,development,energy_renovation,public_space,other}',
        '$.probability_percent == 10 || $.probability_percent == 1 || $.probability_percent == 0.1'),
    ('stormwater', 'stormwater', '{development,energy_renovation}', '$.accumulation == "high"'),
    ('unstable_slope', 'unstable_slopes', '{mobility,development,energy_renovation,public_space,other}', 'true == true'),
    ('green_space', 'green_access', '{mobility,development,energy_renovation,public_space,water,other}',
        '$.registered == true'),
    ('corridor_metropolitan', 'green_blue_metropolitan',
        '{mobility,development,energy_renovation,public_space,other}', 'true == true'),
    ('corridor_urban', 'green_blue_urban', '{mobility,development,energy_renovation,public_space,other}',
        'true == true'),
    ('protected', 'protected_areas', NULL, 'true == true')
), kept AS (
    SELECT a.key, a.themes::text[] AS themes, l.accuracy_m, f.feature_id, f.name_ro, f.geom
    FROM asked a JOIN masterplan.layer l ON l.id = a.layer_id
    JOIN masterplan.current_feature f ON f.layer_id = a.layer_id AND f.properties @@ a.kept::jsonpath
        AND (a.key <> 'green_space' OR f.status = 'existing')
), whole AS (
    SELECT key, themes, accuracy_m, ST_Union(geom) AS geom FROM kept GROUP BY key, themes, accuracy_m
)
SELECT key, themes, 'value' AS edge, NULL AS feature_id, NULL AS name_ro, ST_Subdivide(geom, 64) AS geom FROM whole
UNION ALL SELECT key, themes, 'high', NULL, NULL, ST_Subdivide(ST_Buffer(geom, accuracy_m), 64) FROM whole
UNION ALL SELECT key, themes, 'low', NULL, NULL, ST_Subdivide(ST_Buffer(geom, -accuracy_m), 64) FROM whole
UNION ALL SELECT key, themes, 'feature', feature_id, name_ro, ST_Subdivide(geom, 64) FROM kept;
CREATE INDEX ON outline USING gist (geom);
ANALYZE outline;

CREATE TEMPORARY TABLE share AS
WITH met AS (
    SELECT s.id, o.key, o.edge, o.feature_id, o.name_ro,
        least(100, 100 * sum(CASE WHEN s.dim = 0 THEN 1 WHEN ST_CoveredBy(s.geom, o.geom) THEN s.size
            ELSE pg_temp.size(ST_CollectionExtract(ST_Intersection(s.geom, o.geom), s.dim + 1)) END)
            / min(s.size)) AS share
    FROM subject s JOIN outline o ON ST_Intersects(s.geom, o.geom) AND (o.themes IS NULL OR s.theme = ANY(o.themes))
    GROUP BY s.id, o.key, o.edge, o.feature_id, o.name_ro
)
SELECT id, key, max(share) FILTER (WHERE edge = 'value') AS value, max(share) FILTER (WHERE edge = 'low') AS low,
    max(share) FILTER (WHERE edge = 'high') AS high,
    (array_agg(feature_id ORDER BY share DESC) FILTER (WHERE edge = 'feature'))[1] AS feature,
    (array_agg(name_ro ORDER BY share DESC) FILTER (WHERE edge = 'feature'))[1] AS name
FROM met GROUP BY id, key;
CREATE TEMPORARY TABLE shares AS
SELECT id, jsonb_object_agg(key, jsonb_build_object('value', round(coalesce(value, 0)::numeric, 3),
    'low', round(coalesce(low, 0)::numeric, 3), 'high', round(coalesce(high, 0)::numeric, 3),
    'feature', feature, 'name', name)) AS answers
FROM share GROUP BY id;
CREATE UNIQUE INDEX ON shares (id);

-- Distances: to the bank, to the strip, to a stop.
CREATE TEMPORARY TABLE water AS
SELECT s.id, round(bed.distance::numeric, 3) AS bed, bed.feature_id AS bed_of, bed.name_ro AS bed_name,
    round(strip.distance::numeric, 3) AS bank, strip.strip, strip.feature_id AS strip_of, strip.name_ro AS strip_name
FROM subject s
CROSS JOIN LATERAL (
    SELECT array_agg(n) AS near FROM (
        SELECT f.feature_id, f.name_ro, (f.properties ->> 'width_m')::float8 / 2 AS half,
            CASE WHEN (f.properties ->> 'width_m')::float8 >= 50.001 THEN 20
                WHEN (f.properties ->> 'width_m')::float8 >= 10 THEN 15 ELSE 5 END AS strip,
            f.geom <-> s.geom AS axis
        FROM masterplan.current_part f WHERE f.layer_id = 'watercourses' ORDER BY f.geom <-> s.geom LIMIT 12
    ) n
) k
CROSS JOIN LATERAL (
    SELECT feature_id, name_ro, axis - half AS distance
    FROM unnest(k.near) AS n(feature_id text, name_ro text, half float8, strip integer, axis float8)
    ORDER BY axis - half LIMIT 1
) bed
CROSS JOIN LATERAL (
    SELECT feature_id, name_ro, axis - half AS distance, strip
    FROM unnest(k.near) AS n(feature_id text, name_ro text, half float8, strip integer, axis float8)
    ORDER BY axis - half - strip LIMIT 1
) strip
WHERE s.theme IN ('development', 'energy_renovation', 'public_space', 'other');
CREATE UNIQUE INDEX ON water (id);

CREATE TEMPORARY TABLE stop AS
SELECT s.id, round(n.distance::numeric, 3) AS distance, n.feature_id, n.name_ro
FROM subject s CROSS JOIN LATERAL (
    SELECT f.feature_id, f.name_ro, f.geom <-> s.geom AS distance FROM masterplan.current_feature f
    WHERE f.layer_id = 'transport_stops' AND f.status = 'existing' ORDER BY f.geom <-> s.geom LIMIT 1
) n
WHERE s.theme IN ('development', 'energy_renovation', 'public_space', 'other');
CREATE UNIQUE INDEX ON stop (id);

-- Numbers of polygon layers: the largest met, or the mean by area.
CREATE TEMPORARY TABLE slope AS
WITH met AS (
    SELECT s.id, f.feature_id, f.name_ro, (f.properties ->> 'slope_percent')::float8 AS slope,
        ST_Intersects(f.geom, s.geom) AS touches
    FROM subject s, masterplan.layer l, masterplan.current_part f
    WHERE l.id = 'relief' AND f.layer_id = 'relief' AND ST_DWithin(f.geom, s.geom, l.accuracy_m)
        AND s.theme IN ('mobility', 'development', 'public_space', 'other')
)
SELECT id, max(slope) FILTER (WHERE touches) AS value, min(slope) AS low, max(slope) AS high,
    (array_agg(feature_id ORDER BY slope DESC) FILTER (WHERE touches))[1] AS feature
FROM met GROUP BY id;
CREATE UNIQUE INDEX ON slope (id);

CREATE TEMPORARY TABLE upstream AS
SELECT s.id, max((f.properties ->> 'upstream_km2')::float8) AS value,
    (array_agg(f.feature_id ORDER BY (f.properties ->> 'upstream_km2')::float8 DESC))[1] AS feature
FROM subject s JOIN masterplan.current_part f ON f.layer_id = 'stormwater' AND ST_Intersects(f.geom, s.geom)
WHERE s.theme IN ('green_blue', 'water', 'public_space', 'mobility', 'development') GROUP BY s.id;
CREATE UNIQUE INDEX ON upstream (id);

CREATE TEMPORARY TABLE air AS
WITH met AS (
    SELECT s.id, f.layer_id, f.feature_id, f.properties, CASE WHEN s.dim = 0 THEN 1 WHEN ST_CoveredBy(s.geom, f.geom)
        THEN s.size ELSE pg_temp.size(ST_CollectionExtract(ST_Intersection(s.geom, f.geom), s.dim + 1)) END AS part
    FROM subject s JOIN masterplan.current_part f ON ST_Intersects(f.geom, s.geom) AND (f.layer_id = 'heat'
        AND s.theme IN ('green_blue', 'public_space', 'water', 'development', 'energy_renovation')
        OR f.layer_id = 'pollutants' AND s.theme = 'development')
)
SELECT id,
    sum((properties ->> 'anomaly_c')::float8 * part) FILTER (WHERE layer_id = 'heat')
        / nullif(sum(part) FILTER (WHERE layer_id = 'heat'), 0) AS heat,
    (array_agg(feature_id ORDER BY (properties ->> 'anomaly_c')::float8 DESC) FILTER (WHERE layer_id = 'heat'))[1]
        AS heat_feature,
    sum((properties ->> 'no2_ugm3')::float8 * part) / nullif(sum(part) FILTER (WHERE layer_id = 'pollutants'), 0)
        AS no2,
    sum((properties ->> 'pm10_ugm3')::float8 * part) / nullif(sum(part) FILTER (WHERE layer_id = 'pollutants'), 0)
        AS pm10,
    sum((properties ->> 'pm25_ugm3')::float8 * part) / nullif(sum(part) FILTER (WHERE layer_id = 'pollutants'), 0)
        AS pm25,
    (array_agg(feature_id ORDER BY (properties ->> 'no2_ugm3')::float8 DESC)
        FILTER (WHERE layer_id = 'pollutants'))[1] AS pollutants_feature
FROM met GROUP BY id;
CREATE UNIQUE INDEX ON air (id);

-- The plan's own questions.
CREATE TEMPORARY TABLE land AS
SELECT s.id, CASE
    WHEN sum(pg_temp.size(ST_Intersection(s.geom, f.geom))) FILTER (WHERE f.layer_id = 'underused_land'
        AND ST_Intersects(s.geom, f.geom)) >= min(s.size) / 2 THEN 'underused'
    WHEN sum(pg_temp.size(ST_Intersection(s.geom, f.geom))) FILTER (WHERE f.layer_id = 'intravilan'
        AND ST_Intersects(s.geom, f.geom)) >= min(s.size) / 2 THEN 'intravilan'
    WHEN bool_or(f.layer_id = 'intravilan') THEN 'adjoining' ELSE 'isolated' END AS value
FROM subject s LEFT JOIN masterplan.current_part f
    ON f.layer_id IN ('underused_land', 'intravilan') AND ST_DWithin(f.geom, s.geom, 50)
WHERE s.theme = 'development' GROUP BY s.id;
CREATE UNIQUE INDEX ON land (id);

CREATE TEMPORARY TABLE strategic AS
SELECT DISTINCT ON (s.id) s.id, f.feature_id, f.name_ro,
    100 * pg_temp.size(ST_CollectionExtract(ST_Intersection(s.geom, f.geom), s.dim + 1)) / s.size AS share,
    CASE WHEN u.declared IS NULL THEN 'undeclared' WHEN f.properties -> 'uses' ? u.declared THEN 'fit'
        ELSE 'misfit' END AS class
FROM subject s
JOIN masterplan.current_feature f ON f.layer_id = 'strategic_zones' AND ST_Intersects(f.geom, s.geom)
CROSS JOIN LATERAL (SELECT coalesce(s.attributes ->> 'use',
    CASE s.theme WHEN 'mobility' THEN 'mobility' WHEN 'green_blue' THEN 'green' END) AS declared) u
WHERE s.theme IN ('mobility', 'development', 'green_blue', 'other')
ORDER BY s.id, share DESC, f.feature_id;
CREATE UNIQUE INDEX ON strategic (id);

CREATE TEMPORARY TABLE proposed_line AS
SELECT id, on_behalf_of, geom FROM masterplan.proposal
WHERE public AND kind = 'proposal' AND theme = 'mobility' AND ST_Dimension(geom) = 1;
CREATE INDEX ON proposed_line USING gist (geom);
ANALYZE proposed_line;
CREATE TEMPORARY TABLE continuity AS
SELECT x.id, 100.0 * count(*) FILTER (WHERE x.feature IS NOT NULL OR x.other) / count(*) AS value,
    coalesce(min(x.prospective), min(x.feature)) AS feature
FROM (
    SELECT s.id, (SELECT min(f.feature_id) FROM masterplan.current_part f
            WHERE f.layer_id IN ('rings', 'radials', 'prospective_radials')
                AND ST_DWithin(f.geom, e.geom, 100)) AS feature,
        EXISTS (SELECT FROM proposed_line p WHERE p.id <> s.id AND p.on_behalf_of IS DISTINCT FROM s.on_behalf_of
            AND ST_DWithin(p.geom, e.geom, 100)) AS other,
        (SELECT min(f.feature_id) FROM masterplan.current_part f
            WHERE f.layer_id = 'prospective_radials' AND ST_DWithin(f.geom, s.geom, 100)) AS prospective
    FROM subject s CROSS JOIN LATERAL ST_Dump(ST_Boundary(ST_LineMerge(s.geom))) e
    WHERE s.theme = 'mobility' AND s.dim = 1
) x GROUP BY x.id;
CREATE UNIQUE INDEX ON continuity (id);

CREATE TEMPORARY TABLE person AS
SELECT f.geom, (f.properties ->> 'residents')::float8 AS residents, NOT EXISTS (
    SELECT FROM masterplan.current_part g WHERE g.layer_id = 'green_access' AND g.status = 'existing'
        AND (g.properties ->> 'area_ha')::float8 >= 0.5 AND ST_DWithin(g.geom, f.geom, 300)) AS unserved
FROM masterplan.current_feature f WHERE f.layer_id = 'population';
CREATE INDEX ON person USING gist (geom);
ANALYZE person;
CREATE TEMPORARY TABLE gain AS
SELECT s.id, coalesce(sum(p.residents), 0) AS value
FROM subject s LEFT JOIN person p ON p.unserved AND s.size >= 5000 AND ST_DWithin(p.geom, s.geom, 300)
WHERE s.theme IN ('green_blue', 'public_space') AND s.dim = 2 GROUP BY s.id;
CREATE UNIQUE INDEX ON gain (id);

CREATE TEMPORARY TABLE near AS
SELECT s.id, coalesce(sum(p.residents), 0) AS residents
FROM subject s LEFT JOIN person p ON ST_DWithin(p.geom, s.geom, 1000) GROUP BY s.id;
CREATE UNIQUE INDEX ON near (id);
CREATE TEMPORARY TABLE home AS
SELECT DISTINCT ON (s.id) s.id, f.feature_id, f.name_ro, (f.properties ->> 'population')::float8 AS population
FROM subject s JOIN masterplan.current_part f ON f.layer_id = 'uat' AND ST_Intersects(f.geom, s.geom)
ORDER BY s.id, CASE WHEN ST_Covers(f.geom, s.geom) THEN s.size
    ELSE pg_temp.size(ST_CollectionExtract(ST_Intersection(s.geom, f.geom), s.dim + 1)) END DESC, f.feature_id;
CREATE UNIQUE INDEX ON home (id);

CREATE TEMPORARY TABLE blocked AS
SELECT DISTINCT ON (s.id) s.id, f.feature_id, f.name_ro,
    least(100, 100 * (SELECT sum(upper(r) - lower(r))::float8 FROM unnest((
        SELECT range_agg(numrange(ST_XMin(d.geom)::numeric, ST_XMax(d.geom)::numeric, '[]')) FROM ST_Dump(t.g) d)) r)
        / (f.properties ->> 'width_m')::float8) AS value
FROM subject s
JOIN masterplan.current_feature f ON f.layer_id = 'ventilation_corridors' AND ST_Intersects(f.geom, s.geom)
CROSS JOIN LATERAL (SELECT ST_Rotate(ST_Intersection(s.geom, f.geom),
    radians((f.properties ->> 'direction_deg')::float8)) AS g) t
WHERE s.theme = 'development' AND s.dim = 2 ORDER BY s.id, value DESC, f.feature_id;
CREATE UNIQUE INDEX ON blocked (id);

-- One row a proposal, stored as ours are.
ANALYZE shares; ANALYZE water; ANALYZE stop; ANALYZE slope; ANALYZE upstream; ANALYZE air; ANALYZE land;
ANALYZE strategic; ANALYZE continuity; ANALYZE gain; ANALYZE near; ANALYZE home; ANALYZE blocked;

CREATE TABLE hand_written (LIKE masterplan.measurement INCLUDING ALL);
INSERT INTO hand_written (proposal_id, measures, layer_versions, edition)
SELECT s.id, coalesce(shares.answers, '{}') || jsonb_strip_nulls(jsonb_build_object(
        'riverbed', CASE WHEN s.theme IN ('development', 'energy_renovation') THEN jsonb_build_object(
            'value', water.bed, 'low', water.bed - w.accuracy_m, 'high', water.bed + w.accuracy_m,
            'feature', water.bed_of, 'name', water.bed_name) END,
        'watercourse_strip', CASE WHEN water.id IS NOT NULL THEN jsonb_build_object(
            'value', water.bank, 'low', water.bank - w.accuracy_m, 'high', water.bank + w.accuracy_m,
            'limit', water.strip, 'feature', water.strip_of, 'name', water.strip_name) END,
        'public_transport', CASE WHEN stop.id IS NOT NULL THEN jsonb_build_object(
            'value', stop.distance, 'feature', stop.feature_id, 'name', stop.name_ro) END,
        'steep_slope', CASE WHEN slope.id IS NOT NULL THEN jsonb_build_object(
            'value', slope.value, 'low', slope.low, 'high', slope.high, 'feature', slope.feature) END,
        'water_retention', CASE WHEN s.theme IN ('green_blue', 'water', 'public_space', 'mobility', 'development')
            THEN jsonb_build_object('value', coalesce(upstream.value, 0), 'feature', upstream.feature) END,
        'heat_cooling', CASE WHEN air.heat IS NOT NULL THEN jsonb_build_object(
            'value', round(air.heat::numeric, 3), 'feature', air.heat_feature) END,
        'air_no2', CASE WHEN air.no2 IS NOT NULL THEN jsonb_build_object(
            'value', round(air.no2::numeric, 3), 'feature', air.pollutants_feature) END,
        'air_pm10', CASE WHEN air.pm10 IS NOT NULL THEN jsonb_build_object(
            'value', round(air.pm10::numeric, 3), 'feature', air.pollutants_feature) END,
        'air_pm25', CASE WHEN air.pm25 IS NOT NULL THEN jsonb_build_object(
            'value', round(air.pm25::numeric, 3), 'feature', air.pollutants_feature) END,
        'land', CASE WHEN land.id IS NOT NULL THEN jsonb_build_object('value', land.value) END,
        'strategic_zone', CASE WHEN s.theme IN ('mobility', 'development', 'green_blue', 'other')
            THEN jsonb_build_object('value', round(coalesce(strategic.share, 0)::numeric, 3),
                'class', strategic.class, 'feature', strategic.feature_id, 'name', strategic.name_ro) END,
        'continuity', CASE WHEN continuity.id IS NOT NULL THEN jsonb_build_object(
            'value', continuity.value, 'feature', continuity.feature) END,
        'green_access', CASE WHEN gain.id IS NOT NULL THEN jsonb_build_object('value', round(gain.value)) END,
        'residents_served', jsonb_build_object('value',
            round((100 * near.residents / nullif(home.population, 0))::numeric, 3),
            'feature', home.feature_id, 'name', home.name_ro),
        'ventilation', CASE WHEN s.theme = 'development' AND s.dim = 2 THEN jsonb_build_object(
            'value', round(coalesce(blocked.value, 0)::numeric, 3), 'feature', blocked.feature_id,
            'name', blocked.name_ro) END,
        'climate', CASE WHEN s.attributes ? 'co2_saved_t_year' THEN jsonb_build_object(
            'value', s.attributes -> 'co2_saved_t_year', 'class', s.attributes -> 'co2_proof') END,
        'green_provision', CASE WHEN s.theme = 'development' AND s.attributes ? 'future_residents'
            THEN jsonb_build_object('value', round((s.attributes ->> 'green_m2')::numeric
                / nullif((s.attributes ->> 'future_residents')::numeric, 0), 3)) END,
        'impact_analysis', CASE WHEN s.theme = 'development' AND s.dim = 2 THEN jsonb_build_object('value',
            CASE WHEN s.author_kind = 'company' AND (s.size >= 10000 OR s.budget_lei >= 10000000) IS TRUE
                THEN CASE WHEN s.attributes @> '{"impact_analysis": true}' THEN 'attached' ELSE 'missing' END
                ELSE 'not_required' END) END
    )), (SELECT jsonb_object_agg(id, version) FROM masterplan.layer),
    (SELECT id FROM masterplan.edition WHERE status = 'draft')
FROM subject s CROSS JOIN (SELECT accuracy_m FROM masterplan.layer WHERE id = 'watercourses') w
LEFT JOIN shares USING (id) LEFT JOIN water USING (id) LEFT JOIN stop USING (id) LEFT JOIN slope USING (id)
LEFT JOIN upstream USING (id) LEFT JOIN air USING (id) LEFT JOIN land USING (id) LEFT JOIN strategic USING (id)
LEFT JOIN continuity USING (id) LEFT JOIN gain USING (id) LEFT JOIN near USING (id) LEFT JOIN home USING (id)
LEFT JOIN blocked USING (id);
