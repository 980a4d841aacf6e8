/* WGS 84 degrees to Stereo 70 metres (EPSG:4326 → EPSG:3844), so that the pointer's place is told without asking a server.
 *
 * Seven parameters from WGS 84 to Dealul Piscului 1970 (those that PROJ and PostGIS take; here written as
 * turns of the position vector), then the double stereographic projection of EPSG's guidance note 7-2, method 9809.
 */
"use strict";

plan.stereo70 = (() => {
  const WGS84 = { a: 6378137, f: 1 / 298.257223563 }, KRASSOWSKY = { a: 6378245, f: 1 / 298.3 };
  const SECOND = Math.PI / 648000, DEGREE = Math.PI / 180;
  // From Dealul Piscului 1970 to WGS 84: metres, seconds of arc, parts per million.
  const SHIFT = [2.329, -147.042, -92.08], TURN = [-0.309, 0.325, 0.497].map((s) => s * SECOND), SCALE = 1 + 5.69e-6;
  const ORIGIN = { lat: 46 * DEGREE, lon: 25 * DEGREE }, K0 = 0.99975, FALSE_M = 500000;
  const eccentricity2 = ({ f }) => f * (2 - f);

  function toSpace({ a, f }, lat, lon) {
    const e2 = eccentricity2({ f }), n = a / Math.sqrt(1 - e2 * Math.sin(lat) ** 2);
    return [n * Math.cos(lat) * Math.cos(lon), n * Math.cos(lat) * Math.sin(lon), n * (1 - e2) * Math.sin(lat)];
  }

  /** Undo the seven parameters: three equations, three unknowns, by Cramer's rule. */
  function toPiscului(point) {
    const [x, y, z] = point.map((p, i) => (p - SHIFT[i]) / SCALE), [rx, ry, rz] = TURN;
    const rows = [[1, -rz, ry], [rz, 1, -rx], [-ry, rx, 1]], right = [x, y, z];
    const det = (m) => m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
      - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
    const whole = det(rows);
    return [0, 1, 2].map((k) => det(rows.map((row, i) => row.map((v, j) => (j === k ? right[i] : v)))) / whole);
  }

  function toEllipsoid({ a, f }, [x, y, z]) {
    const e2 = eccentricity2({ f }), p = Math.hypot(x, y);
    let lat = Math.atan2(z, p * (1 - e2));
    for (let turn = 0; turn < 6; turn += 1) {
      const n = a / Math.sqrt(1 - e2 * Math.sin(lat) ** 2);
      lat = Math.atan2(z + e2 * n * Math.sin(lat), p);
    }
    return [lat, Math.atan2(y, x)];
  }

  /** The conformal sphere that touches the ellipsoid at the origin. */
  const sphere = (() => {
    const { a } = KRASSOWSKY, e2 = eccentricity2(KRASSOWSKY), e = Math.sqrt(e2), sin0 = Math.sin(ORIGIN.lat);
    const rho = (a * (1 - e2)) / (1 - e2 * sin0 ** 2) ** 1.5, nu = a / Math.sqrt(1 - e2 * sin0 ** 2);
    const n = Math.sqrt(1 + (e2 * Math.cos(ORIGIN.lat) ** 4) / (1 - e2));
    const w = (sin) => (((1 + sin) / (1 - sin)) * ((1 - e * sin) / (1 + e * sin)) ** e) ** n;
    const w1 = w(sin0), chi00 = Math.asin((w1 - 1) / (w1 + 1));
    const c = ((n + sin0) * (1 - Math.sin(chi00))) / ((n - sin0) * (1 + Math.sin(chi00)));
    const conformal = (lat) => { const v = c * w(Math.sin(lat)); return Math.asin((v - 1) / (v + 1)); };
    return { radius: Math.sqrt(rho * nu), n, conformal, chi0: conformal(ORIGIN.lat) };
  })();

  /** [easting, northing] in metres of longitude and latitude in degrees. */
  return (lon, lat) => {
    const [phi, lambda] = toEllipsoid(KRASSOWSKY, toPiscului(toSpace(WGS84, lat * DEGREE, lon * DEGREE)));
    const { radius, n, conformal, chi0 } = sphere;
    const chi = conformal(phi), turned = n * (lambda - ORIGIN.lon);
    const b = 1 + Math.sin(chi) * Math.sin(chi0) + Math.cos(chi) * Math.cos(chi0) * Math.cos(turned);
    const scale = (2 * radius * K0) / b;
    return [FALSE_M + scale * Math.cos(chi) * Math.sin(turned),
            FALSE_M + scale * (Math.sin(chi) * Math.cos(chi0) - Math.cos(chi) * Math.sin(chi0) * Math.cos(turned))];
  };
})();
