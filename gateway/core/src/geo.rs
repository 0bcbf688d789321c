//! Places on earth, and which of many is nearest.

use std::fmt;

use rstar::primitives::GeomWithData;
use rstar::{PointDistance, RTree};
use serde::{Deserialize, Serialize};

/// Mean radius of the earth, kilometres (IUGG).
const EARTH_RADIUS_KM: f64 = 6371.0088;

/// Indonesia's box, degrees: west, east, south, north. A position outside it is an error of its
/// source.
const BOX: [f64; 4] = [95.0, 141.1, -11.1, 6.1];

/// A position in Indonesia, WGS 84 degrees.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Degrees", into = "Degrees")]
pub struct Coordinate {
    latitude: f64,
    longitude: f64,
}

/// The position is not in Indonesia.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position in Indonesia lies between 95 and 141.1 E, 11.1 S and 6.1 N")]
pub struct OutsideIndonesia;

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Degrees {
    latitude: f64,
    longitude: f64,
}

impl Coordinate {
    /// A position by degrees north and east.
    ///
    /// # Errors
    /// [`OutsideIndonesia`].
    pub fn new(latitude: f64, longitude: f64) -> Result<Self, OutsideIndonesia> {
        let [west, east, south, north] = BOX;
        let inside = (south..=north).contains(&latitude) && (west..=east).contains(&longitude);
        if inside { Ok(Self { latitude, longitude }) } else { Err(OutsideIndonesia) }
    }

    /// Degrees north; negative is south.
    #[must_use]
    pub const fn latitude(self) -> f64 {
        self.latitude
    }

    /// Degrees east.
    #[must_use]
    pub const fn longitude(self) -> f64 {
        self.longitude
    }

    /// Great-circle distance, kilometres.
    #[must_use]
    pub fn distance_km(self, other: Self) -> f64 {
        arc_km(self.on_sphere().distance_2(&other.on_sphere()))
    }

    /// The point on the unit sphere: there the straight distance orders points as the great
    /// circle does, which degrees do not.
    fn on_sphere(self) -> [f64; 3] {
        let (sin_lat, cos_lat) = self.latitude.to_radians().sin_cos();
        let (sin_lon, cos_lon) = self.longitude.to_radians().sin_cos();
        [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat]
    }
}

/// Length of the arc over a chord of the unit sphere, given the chord's square, kilometres.
fn arc_km(chord_squared: f64) -> f64 {
    2.0 * EARTH_RADIUS_KM * (chord_squared.sqrt() / 2.0).clamp(0.0, 1.0).asin()
}

impl fmt::Debug for Coordinate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4},{:.4}", self.latitude, self.longitude)
    }
}

impl TryFrom<Degrees> for Coordinate {
    type Error = OutsideIndonesia;
    fn try_from(degrees: Degrees) -> Result<Self, OutsideIndonesia> {
        Self::new(degrees.latitude, degrees.longitude)
    }
}

impl From<Coordinate> for Degrees {
    fn from(Coordinate { latitude, longitude }: Coordinate) -> Self {
        Self { latitude, longitude }
    }
}

/// Things with a place, found by nearness.
#[derive(Debug)]
pub struct Nearest<T>(RTree<GeomWithData<[f64; 3], T>>);

impl<T> Nearest<T> {
    /// An index of the things given.
    #[must_use]
    pub fn new(items: impl IntoIterator<Item = (Coordinate, T)>) -> Self {
        let points = items.into_iter().map(|(at, item)| GeomWithData::new(at.on_sphere(), item));
        Self(RTree::bulk_load(points.collect()))
    }

    /// The things with their great-circle distance in kilometres, nearest first. Lazy: what is
    /// not taken is not computed.
    pub fn nearest(&self, from: Coordinate) -> impl Iterator<Item = (&T, f64)> {
        self.0
            .nearest_neighbor_iter_with_distance_2(from.on_sphere())
            .map(|(item, chord_squared)| (&item.data, arc_km(chord_squared)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(latitude: f64, longitude: f64) -> Coordinate {
        Coordinate::new(latitude, longitude).unwrap()
    }

    #[test]
    fn jakarta_and_surabaya_are_some_660_km_apart() {
        let km = at(-6.2, 106.8166).distance_km(at(-7.25, 112.75));
        assert!((km - 665.0).abs() < 5.0, "{km}");
    }

    #[test]
    fn a_longitude_of_23_degrees_is_no_place_in_indonesia() {
        assert_eq!(Coordinate::new(-5.3, 23.53), Err(OutsideIndonesia));
        assert_eq!(Coordinate::new(f64::NAN, 110.0), Err(OutsideIndonesia));
    }

    proptest! {
        #[test]
        fn the_index_orders_as_distances_do(
            points in proptest::collection::vec((-11.0_f64..6.0, 95.0_f64..141.0), 1..60),
            from in (-11.0_f64..6.0, 95.0_f64..141.0),
        ) {
            let from = at(from.0, from.1);
            let places: Vec<_> = points.iter().map(|(lat, lon)| at(*lat, *lon)).collect();
            let index = Nearest::new(places.iter().map(|place| (*place, *place)));
            let found: Vec<f64> = index.nearest(from).map(|(_, km)| km).collect();
            let mut expected: Vec<f64> = places.iter().map(|it| from.distance_km(*it)).collect();
            expected.sort_by(f64::total_cmp);
            prop_assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                prop_assert!((found - expected).abs() < 1e-6);
            }
        }
    }
}
