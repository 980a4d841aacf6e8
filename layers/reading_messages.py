"""The words for each code of a finding: English message ids, filled with the finding's facts."""

from __future__ import annotations

from masterplan.language import N_

MESSAGES: dict[str, str] = {
    # The file
    "file_empty": N_("The file is empty."),
    "file_too_large": N_("The file is larger than {limit_mb} MB. Split it, or leave out what is not needed."),
    "format_refused": N_(
        "This is a {format} file. Only GeoJSON, GeoPackage and CSV are read; export it as one of these."
    ),
    "format_unknown": N_(
        "The content is not GeoJSON, GeoPackage or CSV, whatever the name of the file says."
    ),
    "not_utf8": N_("The text is not UTF-8 (byte {position}). Save the file again with the encoding UTF-8."),
    "json_broken": N_("The JSON is broken at line {line}, column {column}."),
    "nested_too_deep": N_("The brackets are nested more than {limit} deep."),
    "number_too_long": N_("The file holds a number that is too long to be one."),
    "number_not_json": N_("The file holds {number}, which is not a number in JSON."),
    "root_not_object": N_("GeoJSON is one object in curly brackets; this file is something else."),
    "file_name_repeated": N_("The file says the same thing twice, so it is not clear what counts: {names}."),
    "type_missing": N_("The file has no \"type\"; GeoJSON is a FeatureCollection, a Feature or a geometry."),
    "type_unknown": N_("“{type}” is not a type of GeoJSON. Upper and lower case matter: FeatureCollection."),
    "features_not_array": N_("The FeatureCollection has no list of \"features\"."),
    "too_many_features": N_("The file has more than {limit} features. Split it."),
    "too_many_vertices": N_("The file has more than {limit} vertices. Simplify the shapes or split it."),
    "too_much_memory": N_("Reading the file needs too much memory. Simplify the shapes or split the file."),
    "took_too_long": N_("Reading the file took too long and was stopped. Simplify the shapes or split it."),
    "unreadable": N_("The file could not be read; it is probably damaged."),
    "result_too_large": N_("The file unfolds into too much data. Split it."),
    "no_features": N_("The file has no features."),
    "file_members_ignored": N_("Parts of the file that GeoJSON forbids at this place were left out."),
    "file_bbox_dropped": N_("The bounding box of the file does not fit its features; it was not used."),
    "more_of_kind": N_("{count} more rows have the same remark ({kind})."),
    # The coordinate system
    "crs_link": N_(
        "The coordinate system is given as a link. Links are never followed: name it, as in EPSG:3844."
    ),
    "crs_unreadable": N_("The coordinate system of the file is not stated in a way that can be read."),
    "crs_unknown": N_("The coordinate system “{name}” is not known here. Name it by its EPSG code."),
    "crs_unfit": N_("The coordinate system {name} is not one for maps (two axes, on the ground)."),
    "crs_missing": N_("The layer does not say its coordinate system. Set it, as in EPSG:3844."),
    # A feature
    "feature_not_object": N_("This feature is not an object."),
    "feature_type": N_("The type of this feature is “{type}” and not “Feature”."),
    "id_dropped": N_("The id is neither a short text nor a number; it was left out."),
    "id_repeated": N_("The id is the same as that of row {first}."),
    "members_ignored": N_("Parts that GeoJSON forbids at this place were left out in {count} rows: {rows}."),
    "bbox_dropped": N_("The stated bounding box is wrong and was not used in {count} rows: {rows}."),
    # Properties
    "properties_missing": N_("{count} rows have no \"properties\" and were read as having none: {rows}."),
    "properties_not_object": N_("The properties are not an object."),
    "too_many_properties": N_("There are more than {limit} properties."),
    "name_repeated": N_("The same name occurs twice, so it is not clear which value counts: {names}."),
    "name_too_long": N_("The name of a property is longer than {limit} characters."),
    "text_too_long": N_("The text has {length} characters; at most {limit} are kept."),
    "number_not_finite": N_("The number is too large to be one."),
    "nul_removed": N_("A NUL character, which no database text can hold, was removed."),
    "surrogate_replaced": N_("Half of a character (a lone surrogate) was replaced by a question mark."),
    # How a geometry is written
    "geometry_missing": N_("There is no geometry, so there is nothing to draw."),
    "geometry_empty": N_("The geometry is empty, so there is nothing to draw."),
    "geometry_not_object": N_("The geometry is not an object."),
    "geometry_unreadable": N_("The geometry could not be read."),
    "geometry_type_unknown": N_("“{type}” is not a kind of geometry that is read here."),
    "geometries_not_array": N_("The GeometryCollection has no list of \"geometries\"."),
    "collection_mixed": N_("The collection mixes kinds of geometry ({kinds}); a feature has one kind."),
    "collection_unwrapped": N_("In {count} rows a collection of one geometry was read as it: {rows}."),
    "collection_merged": N_("In {count} rows a collection of one kind was made a multi-geometry: {rows}."),
    "part_empty": N_("A part of the geometry is empty."),
    "coordinates_missing": N_("The geometry has no \"coordinates\"."),
    "coordinates_not_array": N_("The coordinates are not a list."),
    "coordinates_too_deep": N_("The coordinates are nested too deep for this kind of geometry."),
    "coordinates_too_shallow": N_("The coordinates are not nested deep enough for this kind of geometry."),
    "position_not_array": N_("A position, as in [27.58, 47.16], was expected here."),
    "position_too_short": N_("The position has fewer than two numbers."),
    "position_not_numbers": N_("The position holds something else than numbers."),
    "coordinate_absurd": N_("The coordinate is too large to be a place on Earth."),
    "feature_too_many_vertices": N_("The geometry has more than {limit} vertices. Simplify it."),
    "z_dropped": N_("Heights were left out in {count} rows: {rows}."),
    "ordinates_dropped": N_("Numbers beyond the height were left out in {count} rows: {rows}."),
    # The shape of a geometry
    "line_too_short": N_("A line needs at least two positions."),
    "line_zero_length": N_("A line has no length."),
    "ring_too_short": N_("An outline needs at least three different positions."),
    "ring_closed": N_("The outline was not closed; it was closed with its first position."),
    "winding": N_("Outlines drawn clockwise were turned round in {count} rows: {rows}."),
    "vertices_repeated": N_("Vertices given twice in a row were given once in {count} rows: {rows}."),
    "parts_merged": N_("Parts that lie over one another were joined; the area changed by {percent} %."),
    "polygon_repaired": N_(
        "The outline crosses itself (near {place}); it was repaired, the area changed by {percent} %."
    ),
    "polygon_ambiguous": N_(
        "The outline crosses itself (near {place}) so that it is not clear which area is meant: "
        "a repair would change it by {percent} %. Draw it again."
    ),
    "polygon_unrepairable": N_("The outline crosses itself so often that it cannot be repaired."),
    "polygon_collapses": N_("The outline encloses no area."),
    # Where it lies
    "out_of_range": N_("The position {x}, {y} is not longitude and latitude in degrees."),
    "out_of_range_stereo70": N_(
        "The position {x}, {y} is not in degrees; it looks like Stereo 70 metres. "
        "State the coordinate system EPSG:3844, or export the file in WGS 84 (EPSG:4326)."
    ),
    "out_of_range_swapped": N_(
        "The position {x}, {y} is not longitude and latitude; the two look exchanged. Longitude comes first."
    ),
    "not_transformable": N_("The position lies where its coordinate system does not reach."),
    "invalid_after_transform": N_("The shape is no longer valid in WGS 84. Draw it with less detail."),
    "crosses_antimeridian": N_("The geometry spans more than half the Earth."),
    "outside_bounds": N_("The geometry lies wholly outside the area of this map (near {x}, {y})."),
    "outside_bounds_swapped": N_(
        "The geometry lies outside the area of this map, but inside it once the two coordinates "
        "are exchanged. Longitude (east) comes first, latitude (north) second."
    ),
    "partly_outside_bounds": N_("A part of the geometry lies outside the area of this map."),
    "wrong_kind": N_("The geometry is a {found}; this layer takes {wanted}."),
    # CSV
    "csv_empty": N_("The table has no header."),
    "csv_broken": N_("The table is broken at line {line}: check the quotation marks."),
    "csv_field_too_long": N_(
        "A field in line {line} has more than {limit} characters; check the quotation marks."
    ),
    "csv_too_many_columns": N_("The table has {count} columns; at most {limit} are read."),
    "csv_name_repeated": N_("The table has several columns of the same name: {names}."),
    "csv_no_coordinates": N_(
        "The table has no columns of longitude and latitude (lon, lat). Its columns are: {names}."
    ),
    "csv_field_count": N_("The row has {count} fields, the header {expected}."),
    "csv_coordinate_empty": N_("The coordinate is empty."),
    "csv_coordinate_not_number": N_("The coordinate “{value}” is not a number."),
    # GeoPackage
    "gpkg_no_layer": N_("The GeoPackage has no layer with geometry."),
    "gpkg_which_layer": N_("The GeoPackage has several layers; say which one: {names}."),
}
