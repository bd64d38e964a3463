//! How many projects were briefed in a stretch is found by the stretch's lines of the log or by the account's
//! projects, whichever are fewer; the answer is the same.

use creditd::ledger::moment::Timestamp;
use creditd::store::Stretch;
use sqlx::types::time::OffsetDateTime;

use super::{account, store};
use crate::model::seed;
use crate::support::blocking;
use crate::usage::totals::world_with_much_in_it;

/// Whose a project is, the pool that counts it too, and when it was briefed: asked of each project in plain words.
const BRIEFED_AT: &str = "
    select account_id,
           (select 'pool:' || organization_id from creditd.account
             where account.account_id = project.account_id and kind <> 'standalone') as pool,
           coalesce(
               least((select min(at) from creditd.entry where entry.project_id = project.project_id),
                     (select min(at) from creditd.notice
                       where kind = 'hold' and body ->> 'project_id' = project.project_id)),
               case when stage > 0 or effect <> 'none' then status_since end) as at
      from creditd.project";

/// Projects that moved without a trace, that were told of before the stretch, only by a notice, by one that retention
/// removed, or never; and times of the upstream's.
const MIXED_UP: &str = "
    update creditd.notice
       set at = timestamptz '2026-03-01' + interval '244 days' * log_number / (select log_last from creditd.ledger);
    delete from creditd.notice where log_number % 3 = 0;
    with numbered as (select project_id, row_number() over (order by project_id) as number from creditd.project)
    update creditd.project
       set status_since = timestamptz '2026-03-01' + interval '244 days' * (number * 7 % 60) / 60,
           account_id = case when number % 5 = 0 then 'plain' when number % 5 = 1 then 'north.one'
                             else project.account_id end
      from numbered where numbered.project_id = project.project_id;
    insert into creditd.project (project_id, account_id, status, effect, stage, versions, mode, chain_account, held,
                                 consumed, state, wanted, status_since)
    select 'silent-' || number, case when number % 2 = 0 then 'plain' else 'north.two' end, 'briefed', 'none',
           number % 3, '{}', 'recycle', 'plain', 0, 0, 'none', 0,
           timestamptz '2026-03-01' + interval '1 day' * number * 6
      from generate_series(1, 40) number";

#[test]
fn the_briefed_of_any_stretch_are_those_whose_first_line_or_status_is_in_it_whichever_way_they_are_found() {
    let mut random = fastrand::Rng::with_seed(seed());
    let world = world_with_much_in_it(&mut random);
    world.tamper(MIXED_UP);
    let told: Vec<(String, Option<String>, Option<OffsetDateTime>)> = world.rows(BRIEFED_AT);
    let lines: Vec<(OffsetDateTime,)> =
        world.rows("select at from creditd.entry union all select at from creditd.notice order by at");
    let (mut few_lines, mut many_lines) = (0, 0);
    blocking(async {
        let store = store(&world);
        for id in ["plain", "payg", "north.one", "north.two", "pool:north", "pool:south", "late"] {
            let own: Vec<_> = told
                .iter()
                .filter(|(account, pool, _)| account == id || pool.as_deref() == Some(id))
                .map(|(_, _, at)| at.map(Timestamp::cut))
                .collect();
            let mut snapshot = store.look().await.unwrap();
            for _ in 0..40 {
                // At times of lines above all: there a slip by one shows.
                let mut end = || random.u8(..8).gt(&0).then(|| random.choice(&lines).unwrap().0);
                let (one, other) = (end(), end());
                let (from, before) = match (one, other) {
                    (Some(one), Some(other)) => (Some(one.min(other)), Some(one.max(other))),
                    open => open,
                };
                let within = |at: OffsetDateTime| {
                    from.is_none_or(|from| at >= from) && before.is_none_or(|before| at < before)
                };
                let of_stretch = lines.iter().filter(|(at,)| within(*at)).count();
                *(if of_stretch < own.len() { &mut few_lines } else { &mut many_lines }) += 1;
                let [from, before] = [from, before].map(|end| end.map(Timestamp::cut));
                let is_within = |at: Timestamp| {
                    from.is_none_or(|from| at >= from) && before.is_none_or(|before| at < before)
                };
                let expected = own.iter().flatten().filter(|at| is_within(**at)).count();
                let stretch = Stretch { from, before };
                let figures = snapshot.usage_briefed(&account(id), stretch).await.unwrap();
                let counted = (figures.projects, figures.briefed);
                let expected = (i64::try_from(own.len()).unwrap(), i64::try_from(expected).unwrap());
                assert_eq!(counted, expected, "{id} {stretch:?}");
            }
        }
    });
    assert!(few_lines > 10 && many_lines > 10, "both ways were tried: {few_lines} and {many_lines}");
}
