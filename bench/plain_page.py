"""What one writes first: read the features, hand them to folium.GeoJson, show the map with st_folium."""

import json

import folium
import streamlit as st
from sqlalchemy import text
from streamlit_folium import st_folium

from layers.assets import asset_address
from layers.catalogue import catalogue
from layers.symbology import symbologies
from masterplan.actors import VISITOR
from masterplan.database import transaction
from masterplan.place import place

# folium would load them, and more that nothing here needs, from public CDNs.
folium.Map.default_js = [("leaflet", asset_address("leaflet.js"))]
folium.Map.default_css = [("leaflet_css", asset_address("leaflet.css"))]

PROPOSALS = text("""
    SELECT json_build_object('type', 'Feature', 'id', p.receipt,
        'geometry', ST_AsGeoJSON(ST_Transform(p.geom, 4326), 6)::json,
        'properties', json_build_object('kind', p.kind, 'theme', p.theme, 'status', p.status, 'title', p.title,
            'total', s.total, 'recommendation', s.recommendation))::text
    FROM masterplan.proposal p
    LEFT JOIN masterplan.score s ON s.proposal_id = p.id AND s.criteria_set = p.criteria_set
    ORDER BY p.id
""")
PLAN = text("""
    SELECT json_build_object('type', 'Feature', 'id', f.layer_id || '/' || f.feature_id,
        'geometry', ST_AsGeoJSON(ST_Transform(f.geom, 4326), 6)::json,
        'properties', json_build_object('layer', f.layer_id, 'name', f.name_ro, 'status', f.status))::text
    FROM masterplan.current_feature f WHERE f.layer_id = ANY(:shown) ORDER BY f.pk
""")


@st.cache_data
def collection() -> dict:
    """Every public proposal, and the plan's layers that our map shows at first."""
    shown = [layer.id for layer in catalogue().layers if symbologies()[layer.id].visible]
    with transaction(VISITOR) as connection:
        features = [*connection.scalars(PLAN, {"shown": shown}), *connection.scalars(PROPOSALS)]
    return {"type": "FeatureCollection", "features": [json.loads(feature) for feature in features]}


lon, lat = place().center
plain_map = folium.Map(location=[lat, lon], zoom_start=place().zoom, tiles=None, prefer_canvas=True)
folium.GeoJson(collection(), marker=folium.CircleMarker(radius=6)).add_to(plain_map)
reply = st_folium(plain_map, key="plain", height=680, use_container_width=True)
st.markdown(f"{len(collection()['features'])} features")
if reply and reply.get("last_clicked"):
    st.subheader("Clicked")
    st.write(reply["last_clicked"])
