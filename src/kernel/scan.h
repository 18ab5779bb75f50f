/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The scan worker: what the core's scanner needs to read and to know, and when it is called.
 *
 * One delayed work item per pair, on a queue of its own: reads that hang hold up nobody else. The
 * queue is unbound (any CPU) and freezable (system sleep stops it). A step is at most one read, so
 * stopping takes no longer than the one under way.
 *
 * What others ask of main is read from the block layer's own statistics, by this worker alone.
 */
#ifndef DMR_SCAN_H
#define DMR_SCAN_H

#include <linux/bio.h>
#include <linux/blk_types.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

#include "dm_remap/core.h"

struct dmr_host;
struct dmr_pair;

struct dmr_scan {
	struct workqueue_struct *queue;
	struct delayed_work work;
	struct mutex lock; /* stopped */
	bool stopped;      /* nothing is queued any more; from the beginning */

	/* The worker's own. */
	struct bio bio;
	struct bio_vec *vecs;
	struct page **pages; /* read into, and forgotten; a chunk of them, until it is disabled */
	unsigned int page_count;
};

int dmr_scan_init(struct dmr_pair *pair);
/* After dmr_scan_stop(). */
void dmr_scan_exit(struct dmr_pair *pair);

/* Resume: from now on it runs. May sleep. */
void dmr_scan_begin(struct dmr_pair *pair);
/* Returns when it does not run any more: after the read under way. May sleep. */
void dmr_scan_stop(struct dmr_pair *pair);
/* There may be something new for it: the next step is made now. Does nothing while it is stopped.
 * May sleep.
 */
void dmr_scan_kick(struct dmr_pair *pair);

/* start, stop, pause, resume. -EBUSY before the pair is open, -EROFS if it is read-only, -EINVAL for
 * pause and resume while it is off. May sleep; does not wait for the scanner.
 */
int dmr_scan_command(struct dmr_pair *pair, enum dmr_scan_command command);

#endif
