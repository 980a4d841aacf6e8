"""What an elevation raster says: where rainwater gathers (stormwater) and how the ground lies (relief).

`upstream_cells` works on any grid of flow directions; `stormwater` and `relief` begin with heights.
"""

from layers.terrain.accumulation import ESRI_D8, FlowLoop, upstream_cells

__all__ = ["ESRI_D8", "FlowLoop", "upstream_cells"]
