"""Digitising of the shipped layers: control points and the geometry that turns them into GeoJSON.

Everything here is indicative. Shapes are drawn from public facts and from general knowledge of the place;
no boundary file is read. Rebuild with ``python -m data.digitise`` from the project root: same input, same bytes.
"""
