//! A ledger that an earlier version made.

use std::path::Path;

use serde_json::json;
use sqlx::Connection;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;

use crate::support::{World, blocking, wait_until};

/// What part of a ledger the version before left, with a message that it could not apply.
const BEFORE: &str = r#"
    insert into account (account_id, kind, organization_id, capacity, allocation, mode, overdraft_limit,
            versions, plan, total, held, consumed, queued_projects, queued_credits, entries, alerts, holds,
            digest, raised)
    values ('pool:acme', 'pool', 'acme', 0, 0, 'recycle', 0,
            '{"versions": [], "registers": [null,null,null,null,null,null,null,null,null,null]}',
            0, 0, 0, 0, 0, 0, 0, 0, 0, decode(repeat('00', 32), 'hex'), '[]'),
           ('one', 'integrated', 'acme', 0, 0, 'recycle', 0,
            '{"versions": [], "registers": [null,null,null,null,null,null,null,null,null,null]}',
            0, 0, 0, 0, 0, 0, 0, 0, 0, decode(repeat('00', 32), 'hex'), '[]');
    insert into organization (organization_id, versions)
    values ('acme', '{"versions": [], "registers": [null,null,null]}');
    insert into parked (content_hash, reason, detail, source, message_id, type, received_at, envelope, body)
    values (decode(repeat('01', 32), 'hex'), 'unsupported', 'not applied by this version', '/test', 'asset',
            'asset.created.v1', now(),
            '{"routing_key": "asset.created", "content_type": "application/cloudevents+json", "headers": {}, "properties": {}}',
            convert_to('{"specversion": "1.0", "id": "asset", "source": "/test", "type": "asset.created.v1",
                         "data": {"account_id": "one", "asset_type": "photo", "credits": 3}}', 'UTF8'));
"#;

#[test]
fn what_the_version_before_could_not_do_is_done_after_the_upgrade() {
    let world = World::unmigrated();
    blocking(async {
        let mut owner = PgConnection::connect(&world.owner_url).await.unwrap();
        let prepare = "create schema creditd; set search_path to creditd";
        sqlx::raw_sql(prepare).execute(&mut owner).await.unwrap();
        let all = Migrator::new(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))).await.unwrap();
        let first: Vec<_> = all.iter().filter(|migration| migration.version == 1).cloned().collect();
        Migrator::with_migrations(first).run(&mut owner).await.unwrap();
        sqlx::raw_sql(BEFORE).execute(&mut owner).await.unwrap();
    });
    world.migrate();
    let daemon = world.daemon();
    wait_until("the asset is charged", || world.explain("asset")["outcome"] == "applied");
    assert_eq!(world.balance("one"), Some((0, 0, 3, -3)));
    assert_eq!(world.balance("pool:acme"), Some((0, 0, 3, -3)));
    assert_eq!(world.json(&["parked", "list"]), json!([]));
    world.assert_verified();
    assert!(daemon.stop().success());
}
