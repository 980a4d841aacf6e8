"""The allow-list of GDAL drivers, in force before any GDAL is loaded.

GDAL opens anything disguised as anything: a VRT called `.geojson`, WFS and WMS XML, a GeoJSON whose
`crs` is a link. There is no allow-list in GDAL itself, only `GDAL_SKIP`, so every driver that a build
is known to carry is named here, except ours. `tests/unit/test_gdal_lock.py` compares what pyogrio and
rasterio (two separate copies of GDAL) really offer with the allow-list, so that a new release cannot
bring in a driver unnoticed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

#: What GDAL may open. MEM and Memory hold intermediate results of rasterio (cells, and outlines) and open no file.
ALLOWED_DRIVERS = frozenset({"GeoJSON", "GPKG", "GTiff", "COG", "MEM", "Memory"})
#: rasterio has to be told the driver at each open: `rasterio.open(path, driver=RASTER_DRIVER)`.
RASTER_DRIVER = "GTiff"

_GDAL_MODULES = ("pyogrio", "rasterio", "fiona", "osgeo")

#: Every other driver of the GDAL builds seen so far (wheels of pyogrio and rasterio, Debian, conda).
_OTHER_DRIVERS = """
    AAIGrid, ACE2, ADBC, ADRG, AIG, AirSAR, AIVector, AmigoCloud, ARCGEN, Arrow, AVCBin, AVCE00, AVIF,
    BAG, BASISU, BIGGIF, BLX, BMP, BSB, BT, BYN, CAD, CALS, Carto, CEOS, Cloudant, COASP, COSAR, CouchDB,
    CPG, CSV, CSW, CTable2, CTG, DAAS, DB2ODBC, DERIVED, DGN, DIMAP, DIPEx, DODS, DOQ1, DOQ2, DTED, DWG,
    DXF, EarthEngine, ECRGTOC, ECW, EDIGEO, EEDA, EEDAI, EHdr, EIR, ELAS, Elasticsearch, ENVI, ERS, ESAT,
    ESRI Shapefile, ESRIC, ESRIJSON, EXR, FAST, FileGDB, FIT, FITS, FlatGeobuf, GDALG, GenBin, Geoconcept,
    GeoJSONSeq, GeoRaster, GeoRSS, GFF, GFT, GIF, GME, GML, GMLAS, GNMDatabase, GNMFile, GPSBabel, GPX,
    GRASS, GRASSASCIIGrid, GRIB, GS7BG, GSAG, GSBG, GSC, GTFS, GTI, GTX, GXF, HANA, HDF4, HDF4Image, HDF5,
    HDF5Image, HEIF, HF2, HFA, Hive, HTTP, IDB, Idrisi, ILI, ILWIS, Ingres, INGRES, Interlis 1,
    Interlis 2, IRIS, ISCE, ISG, ISIS2, ISIS3, JAXAPALSAR, JDEM, JML, JP2ECW, JP2KAK, JP2MrSID,
    JP2OpenJPEG, JPEG, JPEGXL, JPIPKAK, JSONFG, KEA, KML, KMLSUPEROVERLAY, KRO, KTX2, L1B, LAN, LCP, LERC,
    Leveller, LIBERTIFF, LIBKML, LOSLAS, LVBAG, MAP, MapInfo File, MapML, MBTiles, MFF, MFF2,
    MiraMonRaster, MiraMonVector, MongoDBv3, MRF, MrSID, MSGN, MSSQLSpatial, MVT, MySQL, NAS, NDF, netCDF,
    NGSGEOID, NGW, NITF, NOAA_B, NSIDCbin, NTv2, NWT_GRC, NWT_GRD, OAPIF, OCI, ODBC, ODS, OGCAPI,
    OGR_DODS, OGR_GMT, OGR_GRASS, OGR_OGDI, OGR_PDS, OGR_VRT, OpenAir, OpenFileGDB, OSM, OZI, Parquet,
    PAux, PCIDSK, PCRaster, PDF, PDS, PDS4, PGDUMP, PGEO, PLMOSAIC, PLSCENES, PMTiles, PNG, PNM,
    PostGISRaster, PostgreSQL, PRF, R, RasterLite, Rasterlite, RASTERLITE2, RCM, RDB, REC, RIK, RMF,
    ROI_PAC, RPFTOC, RRASTER, RS2, RST, S102, S104, S111, S57, SAFE, SAGA, SAR_CEOS, SDTS, SEGUKOOA, SEGY,
    Selafin, SENTINEL2, SGI, SIGDEM, SNAP_TIFF, SNODAS, SOSI, SQLite, SRP, SRTMHGT, STACIT, STACTA, SUA,
    SXF, Terragen, TGA, TIGER, TIL, TileDB, TopoJSON, TSX, UK .NTF, USGSDEM, VDV, VFK, VICAR, VRT, WALK,
    WAsP, WCS, WEBP, WFS, WMS, WMTS, XLS, XLSX, XPLANE, XPM, XYZ, Zarr, ZMap
"""

#: No network, no plugins, no Python inside VRT, no looking at the files beside the one that was named.
_SETTINGS = {
    "PROJ_NETWORK": "OFF",
    "GDAL_DRIVER_PATH": "disable",
    "GDAL_PYTHON_DRIVER_PATH": "",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_VRT_ENABLE_RAWRASTERBAND": "NO",
    "GDAL_MEM_ENABLE_OPEN": "NO",
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    # A file in EPSG:31700 stays in EPSG:31700: GDAL would take its successor without a word.
    "OSR_USE_NON_DEPRECATED": "NO",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "CPL_VSIL_CURL_USE_HEAD": "NO",
    "CPL_VSIL_CURL_CACHE_SIZE": "0",
    # Should a driver still try HTTP, it meets a proxy that does not exist.
    "GDAL_HTTP_PROXY": "127.0.0.1:9",
    "GDAL_HTTPS_PROXY": "127.0.0.1:9",
    "GDAL_HTTP_TIMEOUT": "1",
    "GDAL_HTTP_CONNECTTIMEOUT": "1",
    "GDAL_HTTP_MAX_RETRY": "0",
    "OGR_SQLITE_LOAD_EXTENSIONS": "",
    # MB. Left alone it is a share of the machine's memory, and a large raster fills it.
    "GDAL_CACHEMAX": "128",
    # GDAL prints a line for each name in GDAL_SKIP that its build lacks; errors reach Python all the same.
    "CPL_LOG": os.devnull,
}


def skipped_drivers(allowed: frozenset[str] = ALLOWED_DRIVERS) -> list[str]:
    """Names of all known drivers outside `allowed`, sorted; `allowed` is a part of `ALLOWED_DRIVERS`."""
    unknown = allowed - ALLOWED_DRIVERS
    if unknown:
        raise ValueError(f"drivers outside the allow-list: {sorted(unknown)}")
    named = {name.strip() for name in _OTHER_DRIVERS.replace("\n", " ").split(",")}
    return sorted(named | (ALLOWED_DRIVERS - allowed))


def environment(allowed: frozenset[str] = ALLOWED_DRIVERS) -> dict[str, str]:
    """The environment variables that lock GDAL and PROJ down to `allowed`."""
    return {**_SETTINGS, "GDAL_SKIP": ",".join(skipped_drivers(allowed))}


def lock(
    allowed: frozenset[str] = ALLOWED_DRIVERS, environ: MutableMapping[str, str] = os.environ
) -> None:
    """Lock GDAL down in this process; harmless when it already is.

    GDAL reads these variables once, when it is loaded: a call that comes after is a
    programming error and raises RuntimeError.
    """
    wanted = environment(allowed)
    if all(environ.get(name) == value for name, value in wanted.items()) and "OGR_SKIP" not in environ:
        return
    loaded = [name for name in _GDAL_MODULES if name in sys.modules]
    if loaded:
        raise RuntimeError(f"gdal_lock.lock() was called after importing {', '.join(loaded)}")
    environ.update(wanted)
    # GDAL 3.12 crashes when a driver is named in both lists, and GDAL_SKIP covers vector drivers too.
    environ.pop("OGR_SKIP", None)
