//! What a column holds, as a type of ours and back.

use crate::model::resource::Resource;
use crate::model::uid::Uid;
use crate::model::{Digest, Slot};
use crate::store::Access;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// A type of ours in a column.
pub(super) struct Sql<T>(pub T);

impl ToSql for Sql<Uid> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(&self.0.0)))
    }
}

impl FromSql for Sql<Uid> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        FromSql::column_result(value).map(|bytes| Sql(Uid(bytes)))
    }
}

impl ToSql for Sql<Digest> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(&self.0.0)))
    }
}

impl FromSql for Sql<Digest> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        FromSql::column_result(value).map(|bytes| Sql(Digest(bytes)))
    }
}

impl ToSql for Sql<Slot> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(slot_number(Some(self.0)).into())
    }
}

impl FromSql for Sql<Slot> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        slot(value.as_i64()?)?.map(Sql).ok_or(FromSqlError::InvalidType)
    }
}

impl ToSql for Sql<Access> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.name().into())
    }
}

impl FromSql for Sql<Access> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Access::named(value.as_str()?).map(Sql).ok_or(FromSqlError::InvalidType)
    }
}

impl ToSql for Sql<Resource> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.name().into())
    }
}

impl FromSql for Sql<Resource> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Resource::named(value.as_str()?).map(Sql).ok_or(FromSqlError::InvalidType)
    }
}

/// 0: none.
pub(super) fn slot_number(slot: Option<Slot>) -> i64 {
    match slot {
        None => 0,
        Some(Slot::Primary) => 1,
        Some(Slot::Secondary) => 2,
    }
}

pub(super) fn slot(number: i64) -> FromSqlResult<Option<Slot>> {
    match number {
        0 => Ok(None),
        1 => Ok(Some(Slot::Primary)),
        2 => Ok(Some(Slot::Secondary)),
        other => Err(FromSqlError::OutOfRange(other)),
    }
}

impl FromSql for Sql<serde_json::Value> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?).map(Sql).map_err(FromSqlError::other)
    }
}
