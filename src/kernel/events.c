// SPDX-License-Identifier: GPL-2.0
/*
 * Events: the log, dm events, uevents. See events.h.
 */
#include <linux/jiffies.h>
#include <linux/kobject.h>
#include <linux/sched/mm.h>

#include "dm_remap/core.h"
#include "events.h"
#include "log.h"
#include "trace.h"

#define DMR_EVENTS_INTERVAL (HZ / 5) /* between two batches */
#define DMR_EVENTS_ENV_LINES 12
#define DMR_EVENTS_ENV_BYTES 48

static struct workqueue_struct *dmr_events_queue;

/* The words of the log and of DM_REMAP_EVENT. */
static const char *const dmr_event_words[DMR_EVENT_KINDS] = {
	[DMR_EVENT_REMAP] = "remap",
	[DMR_EVENT_RETIRED] = "retired",
	[DMR_EVENT_LOST] = "lost",
	[DMR_EVENT_SALVAGED] = "salvaged",
	[DMR_EVENT_UNMAP] = "unmap",
	[DMR_EVENT_MAIN_FAILED] = "main_failed",
	[DMR_EVENT_SPARE_FULL] = "spare_full",
	[DMR_EVENT_SPARE_LOW] = "spare_low",
	[DMR_EVENT_HEALTH] = "health",
	[DMR_EVENT_METADATA] = "metadata",
	[DMR_EVENT_FORMATTED] = "formatted",
	[DMR_EVENT_OPENED] = "opened",
	[DMR_EVENT_COMMIT] = "commit",
};

/* Opening a pair is the doing of those who would be told; and commits are no news but to a tracer. */
static bool dmr_event_is_sent(enum dmr_event_kind kind)
{
	return kind != DMR_EVENT_FORMATTED && kind != DMR_EVENT_OPENED && kind != DMR_EVENT_COMMIT;
}

static void dmr_event_log(const char *name, const struct dmr_event *event)
{
	const char *word = dmr_event_words[event->kind];

	switch (event->kind) {
	case DMR_EVENT_REMAP:
	case DMR_EVENT_SALVAGED:
	case DMR_EVENT_UNMAP:
		DMINFO_LIMIT("%s dev=%s sector=%llu slot=%u mask=%02x sequence=%llu", word, name,
			     event->sector, event->slot, event->sectors_mask, event->sequence);
		break;
	case DMR_EVENT_RETIRED:
	case DMR_EVENT_LOST:
		DMWARN_LIMIT("%s dev=%s sector=%llu slot=%u mask=%02x sequence=%llu", word, name,
			     event->sector, event->slot, event->sectors_mask, event->sequence);
		break;
	case DMR_EVENT_SPARE_FULL:
	case DMR_EVENT_MAIN_FAILED:
		DMERR_LIMIT("%s dev=%s state=%s sequence=%llu", word, name,
			    dmr_state_name(event->state), event->sequence);
		break;
	case DMR_EVENT_SPARE_LOW:
	case DMR_EVENT_HEALTH:
		DMWARN_LIMIT("%s dev=%s state=%s score=%u exhaustion_hours=%lld", word, name,
			     dmr_health_name(event->health), event->score,
			     event->exhaustion_hours);
		break;
	case DMR_EVENT_METADATA:
		DMWARN_LIMIT("%s dev=%s state=%s good_copies=%u sequence=%llu", word, name,
			     dmr_state_name(event->state), event->good_copies, event->sequence);
		break;
	case DMR_EVENT_FORMATTED:
	case DMR_EVENT_OPENED:
		DMINFO("%s dev=%s good_copies=%u sequence=%llu", word, name, event->good_copies,
		       event->sequence);
		break;
	case DMR_EVENT_COMMIT:
		dmr_debug(2, "%s dev=%s good_copies=%u sequence=%llu", word, name,
			  event->good_copies, event->sequence);
		break;
	}
}

static void dmr_event_trace(struct dmr_events *events, const struct dmr_event *event)
{
	unsigned long flags;
	u8 before;

	if (event->kind == DMR_EVENT_REMAP)
		trace_dm_remap_redirect(events->name, event);
	else if (event->kind == DMR_EVENT_SALVAGED)
		trace_dm_remap_salvage(events->name, event);
	else if (event->kind == DMR_EVENT_COMMIT)
		trace_dm_remap_commit(events->name, event);

	spin_lock_irqsave(&events->lock, flags);
	before = events->state;
	events->state = event->state;
	spin_unlock_irqrestore(&events->lock, flags);
	if (before != event->state)
		trace_dm_remap_state(events->name, before, event->state);
}

void dmr_events_note(struct dmr_events *events, const struct dmr_event *event)
{
	unsigned long flags;

	dmr_event_log(events->name, event);
	dmr_event_trace(events, event);
	if (!dmr_event_is_sent(event->kind))
		return;
	spin_lock_irqsave(&events->lock, flags);
	events->last[event->kind] = *event;
	events->count[event->kind]++;
	spin_unlock_irqrestore(&events->lock, flags);
	queue_delayed_work(dmr_events_queue, &events->work, 0);
}

static void dmr_event_send(struct gendisk *disk, const struct dmr_event *event, unsigned int count)
{
	char text[DMR_EVENTS_ENV_LINES - 1][DMR_EVENTS_ENV_BYTES];
	char *envp[DMR_EVENTS_ENV_LINES];
	int n;

	snprintf(text[0], sizeof(text[0]), "DM_REMAP_EVENT=%s", dmr_event_words[event->kind]);
	snprintf(text[1], sizeof(text[1]), "DM_REMAP_COUNT=%u", count);
	snprintf(text[2], sizeof(text[2]), "DM_REMAP_SECTOR=%llu", event->sector);
	snprintf(text[3], sizeof(text[3]), "DM_REMAP_SLOT=%u", event->slot);
	snprintf(text[4], sizeof(text[4]), "DM_REMAP_MASK=%02x", event->sectors_mask);
	snprintf(text[5], sizeof(text[5]), "DM_REMAP_GOOD_COPIES=%u", event->good_copies);
	snprintf(text[6], sizeof(text[6]), "DM_REMAP_SEQUENCE=%llu", event->sequence);
	snprintf(text[7], sizeof(text[7]), "DM_REMAP_HEALTH=%s", dmr_health_name(event->health));
	snprintf(text[8], sizeof(text[8]), "DM_REMAP_SCORE=%u", event->score);
	snprintf(text[9], sizeof(text[9]), "DM_REMAP_EXHAUSTION_HOURS=%lld",
		 event->exhaustion_hours);
	snprintf(text[10], sizeof(text[10]), "DM_REMAP_STATE=%s", dmr_state_name(event->state));
	for (n = 0; n < DMR_EVENTS_ENV_LINES - 1; n++)
		envp[n] = text[n];
	envp[n] = NULL;
	kobject_uevent_env(&disk_to_dev(disk)->kobj, KOBJ_CHANGE, envp);
}

/* Takes what is to be said about @kind; returns how many events that was. */
static unsigned int dmr_events_take(struct dmr_events *events, enum dmr_event_kind kind,
				    struct dmr_event *event)
{
	unsigned int count;

	spin_lock_irq(&events->lock);
	count = events->count[kind];
	events->count[kind] = 0;
	*event = events->last[kind];
	spin_unlock_irq(&events->lock);
	return count;
}

static void dmr_events_send(struct dmr_events *events)
{
	struct gendisk *disk = dm_disk(dm_table_get_md(events->ti->table));
	struct dmr_event event;
	unsigned int kind, count;
	bool any = false;

	for (kind = 0; kind < DMR_EVENT_KINDS; kind++) {
		count = dmr_events_take(events, kind, &event);
		if (!count)
			continue;
		dmr_event_send(disk, &event, count);
		any = true;
	}
	if (any)
		dm_table_event(events->ti->table);
}

static void dmr_events_work(struct work_struct *work)
{
	struct dmr_events *events = container_of(to_delayed_work(work), struct dmr_events, work);
	unsigned int noio;

	if (time_before(jiffies, events->next_send)) {
		queue_delayed_work(dmr_events_queue, &events->work, events->next_send - jiffies);
		return;
	}
	noio = memalloc_noio_save();
	mutex_lock(&events->table_lock);
	if (events->ti) {
		dmr_events_send(events);
		events->next_send = jiffies + DMR_EVENTS_INTERVAL;
	}
	mutex_unlock(&events->table_lock);
	memalloc_noio_restore(noio);
}

void dmr_events_attach(struct dmr_events *events, struct dm_target *ti)
{
	mutex_lock(&events->table_lock);
	events->ti = ti;
	mutex_unlock(&events->table_lock);
	queue_delayed_work(dmr_events_queue, &events->work, 0);
}

void dmr_events_detach(struct dmr_events *events, struct dm_target *ti)
{
	mutex_lock(&events->table_lock);
	if (events->ti == ti)
		events->ti = NULL;
	mutex_unlock(&events->table_lock);
}

void dmr_events_init(struct dmr_events *events, const char *name)
{
	events->name = name;
	events->state = DMR_STATE_INACTIVE;
	spin_lock_init(&events->lock);
	mutex_init(&events->table_lock);
	INIT_DELAYED_WORK(&events->work, dmr_events_work);
	events->next_send = jiffies;
}

void dmr_events_exit(struct dmr_events *events)
{
	cancel_delayed_work_sync(&events->work);
}

int dmr_events_module_init(void)
{
	dmr_events_queue = alloc_workqueue("dm-remap-events", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return dmr_events_queue ? 0 : -ENOMEM;
}

void dmr_events_module_exit(void)
{
	destroy_workqueue(dmr_events_queue);
}
