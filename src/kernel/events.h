/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tells the log, `dmsetup wait` and udev what happened to a pair.
 *
 * The repair worker only notes an event; a work item of its own sends it, because a uevent takes
 * memory. Events of one kind that come faster than they are sent are merged: the last one's
 * details and how many there were.
 *
 * Events are sent through the live table. Between its suspension and the next resume they are
 * kept, since udev's programs would hang on a suspended device.
 */
#ifndef DMR_EVENTS_H
#define DMR_EVENTS_H

#include <linux/device-mapper.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "dm_remap/host.h"

#define DMR_EVENT_KINDS (DMR_EVENT_COMMIT + 1)

struct dmr_events {
	const char *name; /* of the dm device, for the log */
	spinlock_t lock;  /* state, last, count */
	u8 state;         /* enum dmr_state, as of the last event */
	struct dmr_event last[DMR_EVENT_KINDS];
	unsigned int count[DMR_EVENT_KINDS]; /* since they were sent; 0: nothing to send */
	struct mutex table_lock; /* ti; held while sending */
	struct dm_target *ti;    /* the live table's, NULL while suspended */
	struct delayed_work work;
	unsigned long next_send; /* jiffies; the work item's */
};

int dmr_events_module_init(void);
void dmr_events_module_exit(void);

void dmr_events_init(struct dmr_events *events, const char *name);
/* After this nothing is sent any more. May sleep. */
void dmr_events_exit(struct dmr_events *events);

/* Any context. */
void dmr_events_note(struct dmr_events *events, const struct dmr_event *event);

/* At resume: @ti is the live table's from now on. May sleep. */
void dmr_events_attach(struct dmr_events *events, struct dm_target *ti);
/* When @ti is suspended or goes: it is not used after the return. May sleep. */
void dmr_events_detach(struct dmr_events *events, struct dm_target *ti);

#endif
