"""The measures of a criteria set once more, by geopandas: an alternative to time and an oracle to compare with.

Set-based over any number of subjects, as one would write it: overlays, spatial joins and the
spatial index, on the same layers read from the same database (EPSG:3844, metres). Layers are
filtered and dissolved once and kept. Only the values are worked out, not what ours adds to them:
`low` and `high` within a layer's accuracy, the feature met, the score.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from sqlalchemy import Connection, text

from proposals.criteria import CriteriaSet

_WHOLE_PERCENT = 99.999
_DIMENSIONS = {"point": 0, "line": 1, "polygon": 2}
_COMPARE = {"below": np.less, "at_most": np.less_equal, "at_least": np.greater_equal, "above": np.greater}

_LAYERS = text("SELECT layer_id, feature_id, status, properties, geom FROM masterplan.current_feature ORDER BY pk")
_SUBJECTS = text("""
    SELECT id, theme, author_kind, on_behalf_of, budget_lei::float8 AS budget_lei, attributes, geom
    FROM masterplan.proposal WHERE id = ANY(:ids) ORDER BY id
""")
_UAT_LINES = text("""
    SELECT id, on_behalf_of AS uat, geom FROM masterplan.proposal
    WHERE public AND kind = 'proposal' AND theme = 'mobility' AND ST_Dimension(geom) = 1
""")


def subjects(connection: Connection, ids: list[int]) -> gpd.GeoDataFrame:
    """Proposals as rows, indexed by id."""
    read = gpd.read_postgis(_SUBJECTS, connection, params={"ids": ids}, index_col="id")
    read["dim"] = shapely.get_dimensions(read.geometry.values)
    return read


class Frames:
    """The current layers in memory, and the facts about subjects measured against them."""

    def __init__(self, connection: Connection, criteria: CriteriaSet) -> None:
        self._asked = _asked(criteria)
        read = gpd.read_postgis(_LAYERS, connection)
        self._layers = {name: rows.reset_index(drop=True) for name, rows in read.groupby("layer_id")}
        self._uat_lines = gpd.read_postgis(_UAT_LINES, connection)
        self._kept: dict[str, gpd.GeoDataFrame] = {}

    def facts(self, wanted: gpd.GeoDataFrame) -> pd.DataFrame:
        """A column for each measure that the set asks for, NaN where it is not asked."""
        return pd.DataFrame({
            key: self._fact(wanted, function, parameters, themes, dimensions)
            for key, function, parameters, themes, dimensions in self._asked
        }, index=wanted.index)  # fmt: skip

    def _fact(self, wanted, function: str, parameters: dict, themes: set[str], dimensions: set[int]) -> pd.Series:
        asked = wanted[wanted["theme"].isin(themes) & wanted["dim"].isin(dimensions)]
        if asked.empty:
            return pd.Series(np.nan, wanted.index, dtype=object)
        return _FUNCTIONS[function](self, asked, **parameters).astype(object).reindex(wanted.index)

    # -- layers ----------------------------------------------------------------------------

    def kept(self, layer: str, where: Mapping | None = None, dissolved: bool = False) -> gpd.GeoDataFrame:
        """The features of a layer that a filter keeps; dissolved, as parts that do not overlap."""
        key = json.dumps([layer, where, dissolved], sort_keys=True)
        if key not in self._kept:
            rows = self._layers[layer]
            for name, value in (where or {}).items():
                rows = rows[_holds(_column(rows, name), value)]
            if dissolved:
                rows = gpd.GeoDataFrame(geometry=[rows.union_all()], crs=rows.crs).explode(ignore_index=True)
                rows = rows.rename_geometry("geom")
            self._kept[key] = rows.reset_index(drop=True)
            _ = self._kept[key].sindex
        return self._kept[key]

    # -- measures --------------------------------------------------------------------------

    def share_inside(self, wanted, *, layer, where=None, **_: Any) -> pd.Series:
        parts = _parts(wanted, self.kept(layer, where, dissolved=True))
        share = 100 * parts.groupby(parts.index)["part"].sum() / _sizes(wanted)
        return share.reindex(wanted.index).fillna(0).clip(upper=100)

    def zone_membership(self, wanted, **parameters: Any) -> pd.Series:
        share = self.share_inside(wanted, **parameters)
        words = np.select([share >= _WHOLE_PERCENT, share > 0], ["inside", "straddles"], "outside")
        return pd.Series(words, wanted.index)

    def distance_to_nearest(self, wanted, *, layer, where=None, width_attribute=None, strips=None) -> pd.Series:
        features = self.kept(layer, where)
        near = gpd.sjoin_nearest(wanted[["geom"]], features[["geom"]], distance_col="distance")
        nearest = near.groupby(near.index)["distance"].min().reindex(wanted.index)
        if width_attribute is None:
            return nearest
        half = _numbers(features, width_attribute).fillna(0).to_numpy() / 2
        strip = np.zeros(len(half))
        for width, metres in strips or ():
            strip = np.where(2 * half >= width, metres, strip)
        reach = nearest.to_numpy() + (half + strip).max()
        of, met = features.sindex.query(wanted.geometry.values, predicate="dwithin", distance=reach)
        bank = shapely.distance(wanted.geometry.values[of], features.geometry.values[met]) - half[met]
        found = pd.DataFrame({"of": of, "bank": bank, "over": bank - strip[met]}).sort_values("over")
        return pd.Series(found.groupby("of")["bank"].first().to_numpy(), wanted.index)

    def attribute_at(self, wanted, *, layer, attribute, statistic="mean", where=None, outside=None, **_) -> pd.Series:
        features = self.kept(layer, where)
        number = _numbers(features, attribute)
        met = gpd.sjoin(wanted[["geom"]], features[["geom"]], predicate="intersects")
        met["number"] = number.to_numpy()[met["index_right"]]
        met = met.dropna(subset="number")
        touched = met.groupby(met.index)["number"]
        if statistic == "max":
            value = touched.max()
        else:
            parts = _parts(wanted[wanted["dim"] > 0], features)
            parts["number"] = number.to_numpy()[parts["of_layer"]]
            parts = parts.dropna(subset="number")
            weighted = (parts["number"] * parts["part"]).groupby(parts.index).sum()
            value = (weighted / parts.groupby(parts.index)["part"].sum()).reindex(wanted.index)
            value = value.fillna(touched.mean())
        value = value.reindex(wanted.index)
        return value if outside is None else value.fillna(outside)

    def land_class(self, wanted, *, underused, intravilan, adjoining_m) -> pd.Series:
        half = _sizes(wanted) / 2

        def mostly(layer: str) -> pd.Series:
            parts = _parts(wanted, self.kept(layer))
            return parts.groupby(parts.index)["part"].sum().reindex(wanted.index).fillna(0) >= half

        of, _ = self.kept(intravilan).sindex.query(wanted.geometry.values, "dwithin", distance=adjoining_m)
        near = np.isin(np.arange(len(wanted)), of)
        choices = [mostly(underused), mostly(intravilan), near]
        return pd.Series(np.select(choices, ["underused", "intravilan", "adjoining"], "isolated"), wanted.index)

    def strategic_fit(self, wanted, *, layer, **_: Any) -> pd.Series:
        parts = _parts(wanted, self.kept(layer))
        best = parts.groupby([parts.index, "of_layer"])["part"].sum().groupby(level=0).max()
        return (100 * best / _sizes(wanted)).reindex(wanted.index).fillna(0)

    def network_continuity(self, wanted, *, network, prospective, tolerance_m) -> pd.Series:
        lines = gpd.GeoSeries(shapely.line_merge(wanted.geometry.values), wanted.index)
        ends = lines.boundary.where(~lines.boundary.is_empty, lines).explode(index_parts=False)
        joined = np.zeros(len(ends), dtype=bool)
        for layer in (*network, prospective):
            joined[self.kept(layer).sindex.query(ends.values, "dwithin", distance=tolerance_m)[0]] = True
        of, met = self._uat_lines.sindex.query(ends.values, "dwithin", distance=tolerance_m)
        ids, own = ends.index.to_numpy()[of], wanted["on_behalf_of"].reindex(ends.index).to_numpy()[of]
        other = (self._uat_lines["id"].to_numpy()[met] != ids) & (self._uat_lines["uat"].to_numpy()[met] != own)
        joined[of[other]] = True
        return 100 * pd.Series(joined, ends.index).groupby(level=0).mean().reindex(wanted.index)

    def residents_gaining_green(
        self, wanted, *, population, residents, green, area_ha, radius_m, smallest_ha
    ) -> pd.Series:
        people = self.kept(population)
        existing = self.kept(green, {"status": "existing", area_ha: {"at_least": smallest_ha}})
        unserved = np.ones(len(people), dtype=bool)
        unserved[existing.sindex.query(people.geometry.values, "dwithin", distance=radius_m)[0]] = False
        gain = np.where(unserved, _numbers(people, residents).fillna(0), 0)
        of, met = people.sindex.query(wanted.geometry.values, "dwithin", distance=radius_m)
        sums = np.bincount(of, gain[met], len(wanted))
        return pd.Series(np.where(wanted.area >= smallest_ha * 10_000, sums, 0).round(), wanted.index)

    def residents_served(self, wanted, *, population, residents, uat, total, radius_m) -> pd.Series:
        people, uats = self.kept(population), self.kept(uat)
        of, met = people.sindex.query(wanted.geometry.values, "dwithin", distance=radius_m)
        near = np.bincount(of, _numbers(people, residents).fillna(0).to_numpy()[met], len(wanted))
        parts = _parts(wanted, uats).sort_values("part", ascending=False, kind="stable")
        home = parts.groupby(parts.index)["of_layer"].first().reindex(wanted.index)
        totals = home.map(_numbers(uats, total))
        return 100 * pd.Series(near, wanted.index) / totals

    def corridor_blocked(self, wanted, *, layer, width_attribute, direction_attribute) -> pd.Series:
        corridors = self.kept(layer)
        parts = _parts(wanted, corridors, geometries=True)
        if parts.empty:
            return pd.Series(0.0, wanted.index)
        angle = np.radians(_numbers(corridors, direction_attribute).to_numpy()[parts["of_layer"]])
        pieces, of = shapely.get_parts(parts["cut"].to_numpy(), return_index=True)
        xy, piece = shapely.get_coordinates(pieces, return_index=True)
        across = pd.Series(xy[:, 0] * np.cos(angle[of[piece]]) - xy[:, 1] * np.sin(angle[of[piece]])).groupby(piece)
        # What lies behind several pieces is blocked once.
        shadows = shapely.linestrings(np.stack([across.min(), across.max()], axis=1)[:, :, None] * [1, 0])
        blocked = pd.Series(shadows).groupby(of).agg(lambda found: shapely.union_all(found.to_numpy()).length)
        width = _numbers(corridors, width_attribute).to_numpy()[parts["of_layer"]]
        share = pd.Series(100 * blocked.to_numpy() / width, parts.index)
        return share.groupby(level=0).max().reindex(wanted.index).fillna(0).clip(upper=100)

    def declared(self, wanted, *, attribute, **_: Any) -> pd.Series:
        return _declared(wanted, attribute)

    def declared_ratio(self, wanted, *, numerator, denominator) -> pd.Series:
        return _declared(wanted, numerator) / _declared(wanted, denominator).replace(0, np.nan)

    def document_attached(self, wanted, *, attribute, author_kinds, from_m2, from_lei) -> pd.Series:
        large = (wanted.area >= from_m2) | (wanted["budget_lei"].fillna(0) >= from_lei)
        asked = wanted["author_kind"].isin(author_kinds) & large
        there = wanted["attributes"].map(lambda given: given.get(attribute) is True)
        words = np.select([~asked, there], ["not_required", "attached"], "missing")
        return pd.Series(words, wanted.index)


_FUNCTIONS: dict[str, Callable[..., pd.Series]] = {
    name: method for name, method in vars(Frames).items() if not name.startswith("_") and name not in ("facts", "kept")
}


def _asked(criteria: CriteriaSet) -> list[tuple[str, str, dict, set[str], set[int]]]:
    """Each measure once: its key, function and parameters, the themes and dimensions it is asked of."""
    found: dict[str, tuple[str, str, dict, set[str], set[int]]] = {}
    for criterion in (*criteria.gates, *criteria.scored):
        spec = criterion.spec
        _, _, _, themes, dimensions = found.setdefault(
            spec.key, (spec.key, spec.function, dict(spec.parameters), set(), set())
        )
        themes |= set(criterion.themes)
        dimensions |= {_DIMENSIONS[geometry] for geometry in criterion.geometries}
    return list(found.values())


# -- pieces --------------------------------------------------------------------------------


def _column(rows: gpd.GeoDataFrame, name: str) -> pd.Series:
    return rows[name] if name in ("status", "feature_id") else rows["properties"].map(lambda given: given.get(name))


def _holds(column: pd.Series, wanted: Any) -> pd.Series:
    if isinstance(wanted, Mapping):
        numbers = pd.to_numeric(column, errors="coerce")
        return pd.Series(
            np.logical_and.reduce([_COMPARE[word](numbers, edge) for word, edge in wanted.items()]), column.index
        )
    return column.isin(wanted if isinstance(wanted, list) else [wanted])


def _numbers(rows: gpd.GeoDataFrame, name: str) -> pd.Series:
    return pd.to_numeric(_column(rows, name), errors="coerce")


def _declared(wanted: gpd.GeoDataFrame, name: str) -> pd.Series:
    return pd.to_numeric(wanted["attributes"].map(lambda given: given.get(name)), errors="coerce")


def _sizes(wanted: gpd.GeoDataFrame) -> pd.Series:
    """Area (m²), length (m), or 1 for a point."""
    dim = wanted["dim"]
    return pd.Series(np.select([dim == 2, dim == 1], [wanted.area, wanted.length], 1.0), wanted.index)


def _parts(wanted: gpd.GeoDataFrame, features: gpd.GeoDataFrame, geometries: bool = False) -> pd.DataFrame:
    """What of each subject lies in each feature: its size, and the feature's position."""
    empty = pd.DataFrame({"of_layer": np.array([], dtype=int), "part": np.array([], dtype=float)})
    found = [empty]
    positioned = features[["geom"]].assign(of_layer=np.arange(len(features)))
    for dim, alike in wanted.groupby("dim"):
        if dim == 0:
            met = gpd.sjoin(alike[["geom"]], positioned, predicate="intersects")
            found.append(pd.DataFrame({"of_layer": met["of_layer"], "part": 1.0}))
            continue
        left = alike[["geom"]].assign(subject=alike.index)
        cut = gpd.overlay(left, positioned, how="intersection", keep_geom_type=True)
        part = cut.area if dim == 2 else cut.length
        columns = {"of_layer": cut["of_layer"].to_numpy(), "part": part.to_numpy()}
        if geometries:
            columns["cut"] = cut.geometry.to_numpy()
        found.append(pd.DataFrame(columns, index=cut["subject"].to_numpy()))
    return pd.concat([frame for frame in found if len(frame)] or [empty])
