"""The script Streamlit runs: the pages, their order and what stands beside them."""

import streamlit as st

from masterplan.actors import Role
from masterplan.language import N_, translator
from masterplan.pages import shell
from masterplan.place import place

language = shell.language()
_ = translator(language)

st.set_page_config(page_title=place().text("plan_name", language), page_icon=str(shell.ICON), layout="wide")
shell.look(language)

pages = [
    st.Page("map_page.py", title=_(N_("Map")), icon=":material/map:", url_path="harta", default=True),
    st.Page("propose_page.py", title=_(N_("Propose")), icon=":material/add_location_alt:", url_path="propune"),
    st.Page("register_page.py", title=_(N_("Register")), icon=":material/list_alt:", url_path="registru"),
    st.Page("criteria_page.py", title=_(N_("Criteria")), icon=":material/rule:", url_path="criterii"),
    st.Page("decisions_page.py", title=_(N_("Decisions")), icon=":material/gavel:", url_path="decizii"),
    st.Page("editions_page.py", title=_(N_("Editions")), icon=":material/auto_stories:", url_path="editii"),
    st.Page("desk_page.py", title=_(N_("Analysis and decision")), icon=":material/fact_check:", url_path="analiza"),
    st.Page("about_page.py", title=_(N_("About")), icon=":material/info:", url_path="despre"),
]
if shell.acts_as(Role.PLANNER) or shell.acts_as(Role.ADMINISTRATOR):
    pages.append(st.Page("replay_page.py", title=_(N_("Criteria: what if")), icon=":material/tune:",
                         url_path="ce-ar-fi-daca"))  # fmt: skip
if shell.acts_as(Role.ADMINISTRATOR):
    pages.append(st.Page(shell.ACCOUNTS_PAGE, title=_(N_("Accounts")), icon=":material/manage_accounts:",
                         url_path="conturi"))  # fmt: skip

shown = st.navigation(pages)
shell.switches()
shown.run()
