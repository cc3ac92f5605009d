//! What copies cost: seconds of a processor for each byte, as measured on this machine.

/// Seconds that the copy of one byte takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Out of memory that stays in the caches.
    pub cached: f64,
    /// Out of memory that no cache holds.
    pub uncached: f64,
}

impl Cost {
    /// The share of a core that copies so many bytes a second, at least and at most; which of
    /// both a copy costs depends on what the caches hold at the time.
    #[must_use]
    pub fn share(self, [least, most]: [f64; 2]) -> [f64; 2] {
        let Self { cached, uncached } = self;
        [least * cached.min(uncached), most * cached.max(uncached)]
    }

    /// Seconds for a GiB, at least and at most.
    #[must_use]
    pub fn of_a_gib(self) -> [f64; 2] {
        const GIB: f64 = 1_073_741_824.0;
        self.share([GIB, GIB])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_costs_a_share_of_a_core() {
        let cost = Cost { cached: 1e-10, uncached: 4e-10 };
        assert_eq!(cost.share([1e8, 1e9]), [1e8 * 1e-10, 1e9 * 4e-10]);
        assert_eq!(cost.share([0.0, 0.0]), [0.0, 0.0]);
        // Where memory is as fast as the caches, noise may turn them round.
        let turned = Cost { cached: 4e-10, uncached: 1e-10 };
        assert_eq!(turned.share([1e9, 1e9]), cost.share([1e9, 1e9]));
        let [least, most] = cost.of_a_gib();
        assert!((0.107..0.108).contains(&least) && (0.429..0.430).contains(&most));
    }
}
