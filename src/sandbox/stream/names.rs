//! What the demo's agencies, clients and briefs are called, and what a brief costs.

use std::ops::RangeInclusive;

/// A kind of work: how its brief reads, after the client's name, and its price in credits.
pub(super) struct Brief {
    pub(super) title: &'static str,
    pub(super) credits: RangeInclusive<u32>,
}

const fn brief(title: &'static str, least: u32, most: u32) -> Brief {
    Brief { title, credits: least..=most }
}

/// The mean of what [`BRIEFS`] cost, in credits; plans are sized by it.
pub(super) const MEAN_PRICE: u32 = 70;

pub(super) const BRIEFS: [Brief; 20] = [
    brief("launch film, 30 seconds and cutdowns", 120, 220),
    brief("spring menu photography", 30, 70),
    brief("packshots on white, 24 products", 40, 80),
    brief("autumn lookbook", 60, 120),
    brief("founder portrait series", 20, 45),
    brief("recruiting video with four interviews", 90, 150),
    brief("social stories, twelve a month", 15, 40),
    brief("trade fair stand graphics", 40, 90),
    brief("annual report illustrations", 35, 75),
    brief("podcast cover and audiogram kit", 10, 25),
    brief("product page animations", 50, 95),
    brief("newsletter redesign", 15, 35),
    brief("out-of-home posters, three formats", 30, 60),
    brief("customer story, on location", 80, 140),
    brief("explainer animation, 60 seconds", 100, 180),
    brief("holiday campaign key visual", 45, 85),
    brief("packaging dieline and mock-ups", 25, 55),
    brief("app store screenshots, six languages", 20, 40),
    brief("drone footage of the new site", 55, 110),
    brief("brand guidelines refresh", 70, 130),
];

pub(super) const CLIENTS: [&str; 24] = [
    "Oat & Ember",
    "Lindqvist Outdoor",
    "Marlow Ferries",
    "Fenwick Tea",
    "Casa Olmo",
    "Brightwater Dental",
    "Nordlys Energi",
    "Pomona Cider",
    "Hollis & Daughters",
    "Tessera Ceramics",
    "Vantage Cycles",
    "Kite & Keel",
    "Sabine Skincare",
    "Rook Coffee",
    "Aldergate Museum",
    "Piccolo Toys",
    "Union Bakery",
    "Merle Eyewear",
    "Solstice Yoga",
    "Greta's Garden",
    "Ironbridge Tools",
    "Wharf Street Market",
    "Blume Apotheke",
    "Cinder Ski",
];

/// Who asks for work: how its plan compares with its load decides what the demo shows there.
pub(super) struct Agency {
    pub(super) account: &'static str,
    pub(super) name: &'static str,
    pub(super) organization: Option<&'static str>,
    pub(super) kind: &'static str,
    /// Of 100 projects, how many are its own.
    pub(super) share: u32,
    /// Its capacity or allocation, in percent of what it is expected to hold at a time (in consume mode: to
    /// use up in all). Below 100 it queues or is refused; far above, nothing ever happens.
    pub(super) plan_percent: u32,
    pub(super) consumes: bool,
}

const fn integrated(
    account: &'static str,
    name: &'static str,
    organization: &'static str,
    share: u32,
    plan_percent: u32,
) -> Agency {
    Agency {
        account,
        name,
        organization: Some(organization),
        kind: "integrated",
        share,
        plan_percent,
        consumes: false,
    }
}

const fn standalone(account: &'static str, name: &'static str, share: u32, plan_percent: u32) -> Agency {
    Agency { account, name, organization: None, kind: "standalone", share, plan_percent, consumes: false }
}

const fn connected(
    account: &'static str,
    name: &'static str,
    organization: &'static str,
    share: u32,
    plan_percent: u32,
) -> Agency {
    Agency {
        account,
        name,
        organization: Some(organization),
        kind: "connected",
        share,
        plan_percent,
        consumes: false,
    }
}

const fn pay_as_you_go(agency: &Agency) -> Agency {
    Agency { consumes: true, ..*agency }
}

/// The shares add up to 100.
pub(super) const AGENCIES: [Agency; 13] = [
    integrated("northlight-film", "Northlight Film", "northlight", 14, 140),
    integrated("northlight-stills", "Northlight Stills", "northlight", 12, 90),
    integrated("northlight-social", "Northlight Social", "northlight", 10, 160),
    connected("northlight-events", "Northlight Events", "northlight", 6, 220),
    integrated("harbour-brand", "Harbour & Vale Brand", "harbour-vale", 10, 150),
    integrated("harbour-digital", "Harbour & Vale Digital", "harbour-vale", 8, 150),
    integrated("kestrel-berlin", "Kestrel Berlin", "kestrel", 7, 200),
    integrated("kestrel-lisbon", "Kestrel Lisbon", "kestrel", 6, 200),
    connected("kestrel-print", "Kestrel Print", "kestrel", 5, 130),
    standalone("atelier-brandt", "Atelier Brandt", 7, 85),
    standalone("studio-miro", "Studio Miró", 5, 250),
    pay_as_you_go(&standalone("lumen-freelance", "Lumen Freelance", 6, 45)),
    pay_as_you_go(&connected("kestrel-motion", "Kestrel Motion", "kestrel", 4, 120)),
];

/// An organization and its pool.
pub(super) struct House {
    pub(super) organization: &'static str,
    pub(super) name: &'static str,
    pub(super) contact: &'static str,
    /// The pool's capacity in percent of what its members are expected to hold at a time.
    pub(super) pool_percent: u32,
}

pub(super) const HOUSES: [House; 3] = [
    House {
        organization: "northlight",
        name: "Northlight Studios",
        contact: "Ines Aldous <ines@northlight.example>",
        pool_percent: 85,
    },
    House {
        organization: "harbour-vale",
        name: "Harbour & Vale",
        contact: "Tomasz Vale <tomasz@harbourvale.example>",
        pool_percent: 105,
    },
    House {
        organization: "kestrel",
        name: "Kestrel Collective",
        contact: "Amara Osei <amara@kestrel.example>",
        pool_percent: 180,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_a_hundred() {
        assert_eq!(AGENCIES.iter().map(|agency| agency.share).sum::<u32>(), 100);
    }

    #[test]
    fn the_mean_price_is_that_of_the_briefs() {
        let sum: u32 =
            BRIEFS.iter().map(|brief| u32::midpoint(*brief.credits.start(), *brief.credits.end())).sum();
        let mean = sum / u32::try_from(BRIEFS.len()).unwrap();
        assert!(mean.abs_diff(MEAN_PRICE) <= 3, "the briefs cost {mean} on average");
    }
}
