//! Reads times and durations.

use crate::{Argument, Event, Field, Value};

const SECOND_NS: u64 = 1_000_000_000;

impl Event {
    pub(super) fn time_value(&self, field: Field) -> Option<Value<'_>> {
        let time = self.time_ns;
        Some(match field {
            Field::EvtRawtime => Value::U64(time),
            Field::EvtTimeS | Field::EvtRawtimeS => Value::U64(time / SECOND_NS),
            Field::EvtRawtimeNs => Value::U64(time % SECOND_NS),
            Field::EvtTimeIso => {
                let format = "%Y-%m-%dT%H:%M:%S.%9f+0000";
                Value::Text(self.timestamp()?.strftime(format).to_string().into())
            }
            Field::EvtDatetime => {
                Value::Text(self.timestamp()?.strftime("%F %T.%9f").to_string().into())
            }
            Field::EvtDatetimeS => {
                Value::Text(self.timestamp()?.strftime("%F %T").to_string().into())
            }
            // Falco has no start of a call any more, and so no duration.
            Field::EvtLatency
            | Field::EvtLatencyS
            | Field::EvtLatencyNs
            | Field::EvtWaitLatency => Value::U64(0),
            Field::EvtLatencyHuman => Value::text("0ns"),
            Field::ProcPpidDuration => {
                Value::U64(time.saturating_sub(self.process.parent.as_deref()?.start_ns))
            }
            Field::ContainerDuration => {
                match self.process.value(Field::ContainerStartTs, &Argument::None)? {
                    Value::U64(start) => Value::U64(time.saturating_sub(start)),
                    _ => return None,
                }
            }
            _ => return None,
        })
    }

    fn timestamp(&self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_nanosecond(self.time_ns.into()).ok()
    }
}
