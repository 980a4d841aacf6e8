"""What every page shares, and the pages about the application itself. Streamlit lives only in such folders."""
