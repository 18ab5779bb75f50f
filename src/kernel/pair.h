/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A pair of main and spare that is, or is about to be, in use: the engine, its worker, and the
 * registry of those in use.
 *
 * A pair outlives tables. Each table that was constructed for it holds a reference, so a reload
 * finds the running one and takes it over; the last table's destructor ends it. A pair is listed
 * in the registry from the moment it is opened (first resume) until its worker has stopped, which
 * is what keeps two targets off one device: device-mapper's own claim is one for all of them.
 *
 * The worker is the engine's owner while the target is live. While it is suspended, the worker is
 * idle and the thread that holds device-mapper's suspend lock is the owner.
 *
 * Locks: the registry's mutex guards list, tables and state; pair->lock, taken in interrupts,
 * guards what is handed to the worker. Neither is held while the other is taken.
 */
#ifndef DMR_PAIR_H
#define DMR_PAIR_H

#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "dm_remap/core.h"
#include "dm_remap/pairing.h"
#include "host.h"
#include "scan.h"
#include "sysfs.h"

enum dmr_pair_state {
	DMR_PAIR_NEW,     /* not listed; no other table knows it */
	DMR_PAIR_OPENING, /* listed; its first resume is under way */
	DMR_PAIR_OPEN,    /* listed; other tables of the same dm device may share it */
	DMR_PAIR_ENDING,  /* listed; no table is left */
};

/* What a message has the worker do. Two references: the list's, and the one of who waits. */
struct dmr_errand {
	struct list_head node;
	struct kref kref;
	struct completion ended;
	bool cancelled; /* nobody waits, or it had to give way to a suspend */
	bool is_repair; /* else a job */
	struct dmr_job job;
	u32 good_copies;
};

struct dmr_pair {
	struct dmr_host host; /* first: hot */

	struct dmr_engine *engine;
	void *arena;
	struct mapped_device *md;
	const char *name; /* the dm device's */

	struct list_head node;
	unsigned int tables;
	enum dmr_pair_state state;

	/* What changes hands at suspend and resume, under device-mapper's suspend lock. */
	const void *active; /* the table (struct dmr_target) that was resumed last */

	spinlock_t lock;
	struct dmr_request *parked; /* in order of arrival */
	struct dmr_request **parked_end;
	struct dmr_request *left; /* of the worker's last round: its alone */
	bool suspended;           /* no errands are taken */
	bool mend;                /* the scan worker waits for something found to be mended */
	struct list_head errands; /* in order of arrival */
	struct workqueue_struct *queue;
	struct work_struct work;

	struct dmr_scan scan;
	struct dmr_sysfs sysfs;
};

/*
 * Makes a pair with one reference, unlisted. Does no I/O. Constructor. ERR_PTR on failure.
 */
struct dmr_pair *dmr_pair_create(struct mapped_device *md, struct block_device *main,
				 struct block_device *spare, const struct dmr_geometry *geometry,
				 const struct dmr_main_identity *identity);
/*
 * A reference to the open pair of these devices, if it is the same dm device's; NULL if neither
 * device is in use; ERR_PTR(-EBUSY) otherwise, with the user's name in the log. Constructor.
 */
struct dmr_pair *dmr_pair_find(struct mapped_device *md, struct block_device *main,
			       struct block_device *spare);
/*
 * Claims the devices before a resume: lists @pair, or, if a pair of the same devices was opened by
 * this dm device since, returns a reference to that one; the caller still has the one to @pair.
 * ERR_PTR(-EBUSY) if anybody else uses a device. May sleep.
 */
struct dmr_pair *dmr_pair_claim(struct dmr_pair *pair);
/* What became of the opening that dmr_pair_claim() announced. May sleep. */
void dmr_pair_opened(struct dmr_pair *pair, bool opened);
/*
 * What live pairs have to do with @bdev, for discovery. If it is an open one's spare, and @seen is not
 * NULL, its spare and live_main are filled in. May sleep.
 */
enum dmr_use {
	DMR_USE_NONE,
	DMR_USE_BUSY,  /* it shares sectors with a main or spare, or is the target itself */
	DMR_USE_SPARE, /* it is the spare of an open pair */
};
enum dmr_use dmr_registry_use(const struct block_device *bdev, struct dmr_seen *seen);
/* The last reference ends the pair: waits for I/O in flight and for the worker. May sleep. */
void dmr_pair_put(struct dmr_pair *pair);

static inline bool dmr_pair_is_open(const struct dmr_pair *pair)
{
	return READ_ONCE(pair->state) == DMR_PAIR_OPEN;
}

/* True if they are the same sectors of one disk, wholly or in part. Any context. */
bool dmr_bdevs_overlap(const struct block_device *a, const struct block_device *b);

/* Hands @request to the worker. Any context. The pair must not be touched afterwards, unless the
 * caller is still counted in flight.
 */
void dmr_pair_park(struct dmr_pair *pair, struct dmr_request *request);
/*
 * Has the worker repair the copies, or do a job, and waits. -EBUSY while suspended or if a suspend
 * came in between, -ERESTARTSYS on a signal: both stop a job between two blocks. Message.
 */
int dmr_pair_repair(struct dmr_pair *pair, u32 *good_copies);
int dmr_pair_job(struct dmr_pair *pair, struct dmr_job *job);

/*
 * Has the worker mend one thing that the scanner has found, and waits; unless a suspend comes in between.
 * By the scan worker alone.
 */
void dmr_pair_mend(struct dmr_pair *pair);

/* No more errands; those under way stop soon. dmr_pair_resume() undoes it. May sleep. */
void dmr_pair_presuspend(struct dmr_pair *pair);
/* After device-mapper has waited for all bios: returns with the worker idle. May sleep. */
void dmr_pair_suspend(struct dmr_pair *pair);
void dmr_pair_resume(struct dmr_pair *pair);

#endif
