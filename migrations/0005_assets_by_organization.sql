-- What a pool's organization had made, by time: for reports, which must not read all assets of all organizations.
create index asset_by_organization on asset (organization_id, at) where organization_id is not null;
