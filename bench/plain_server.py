"""The alternative to measure against: the same features with plain st_folium, browser assets served locally."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import streamlit as st
from starlette.routing import Route

from layers.routes import asset
from masterplan.settings import settings

app = st.App(Path(__file__).with_name("plain_page.py"), routes=[Route("/assets/{name:path}", asset)])

if __name__ == "__main__":
    app.run(config={"server.address": "127.0.0.1", "server.port": settings().port})
