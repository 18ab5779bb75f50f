/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints dm_remap:*, for perf and /sys/kernel/tracing. Fed by events (events.c); any context.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dm_remap

#if !defined(DMR_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define DMR_TRACE_H

#include <linux/string.h>
#include <linux/tracepoint.h>

#include "dm_remap/core.h"

#define DMR_TRACE_NAME_BYTES 24 /* "major:minor" */
#define DMR_TRACE_STATE_BYTES 16

DECLARE_EVENT_CLASS(dm_remap_place,
	TP_PROTO(const char *dev, const struct dmr_event *event),
	TP_ARGS(dev, event),
	TP_STRUCT__entry(
		__array(char, dev, DMR_TRACE_NAME_BYTES)
		__field(u64, sector)
		__field(u32, slot)
		__field(u8, mask)
		__field(u64, sequence)
	),
	TP_fast_assign(
		strscpy(__entry->dev, dev, DMR_TRACE_NAME_BYTES);
		__entry->sector = event->sector;
		__entry->slot = event->slot;
		__entry->mask = event->sectors_mask;
		__entry->sequence = event->sequence;
	),
	TP_printk("dev=%s sector=%llu slot=%u mask=%02x sequence=%llu", __entry->dev,
		  __entry->sector, __entry->slot, __entry->mask, __entry->sequence)
);

/* Sectors of a block are on a slot from now on. */
DEFINE_EVENT(dm_remap_place, dm_remap_redirect,
	TP_PROTO(const char *dev, const struct dmr_event *event),
	TP_ARGS(dev, event));
/* Lost sectors were read after all. */
DEFINE_EVENT(dm_remap_place, dm_remap_salvage,
	TP_PROTO(const char *dev, const struct dmr_event *event),
	TP_ARGS(dev, event));

/* A commit has ended; it failed if the state is metadata_ro. */
TRACE_EVENT(dm_remap_commit,
	TP_PROTO(const char *dev, const struct dmr_event *event),
	TP_ARGS(dev, event),
	TP_STRUCT__entry(
		__array(char, dev, DMR_TRACE_NAME_BYTES)
		__field(u64, sequence)
		__field(u8, good_copies)
		__array(char, state, DMR_TRACE_STATE_BYTES)
	),
	TP_fast_assign(
		strscpy(__entry->dev, dev, DMR_TRACE_NAME_BYTES);
		__entry->sequence = event->sequence;
		__entry->good_copies = event->good_copies;
		strscpy(__entry->state, dmr_state_name(event->state), DMR_TRACE_STATE_BYTES);
	),
	TP_printk("dev=%s sequence=%llu good_copies=%u state=%s", __entry->dev,
		  __entry->sequence, __entry->good_copies, __entry->state)
);

TRACE_EVENT(dm_remap_state,
	TP_PROTO(const char *dev, u8 before, u8 after),
	TP_ARGS(dev, before, after),
	TP_STRUCT__entry(
		__array(char, dev, DMR_TRACE_NAME_BYTES)
		__array(char, before, DMR_TRACE_STATE_BYTES)
		__array(char, after, DMR_TRACE_STATE_BYTES)
	),
	TP_fast_assign(
		strscpy(__entry->dev, dev, DMR_TRACE_NAME_BYTES);
		strscpy(__entry->before, dmr_state_name(before), DMR_TRACE_STATE_BYTES);
		strscpy(__entry->after, dmr_state_name(after), DMR_TRACE_STATE_BYTES);
	),
	TP_printk("dev=%s from=%s to=%s", __entry->dev, __entry->before, __entry->after)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
