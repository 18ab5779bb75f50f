// SPDX-License-Identifier: GPL-2.0
/*
 * Pairs in use: registry, lifetime, worker. See pair.h.
 */
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "log.h"
#include "pair.h"

static DEFINE_MUTEX(dmr_registry_lock);
static LIST_HEAD(dmr_registry);

/* ---- Worker ---- */

/* Requests that have arrived since, and behind them what the last round left. */
static struct dmr_request *dmr_pair_take(struct dmr_pair *pair)
{
	struct dmr_request *list;

	spin_lock_irq(&pair->lock);
	*pair->parked_end = pair->left;
	list = pair->parked;
	pair->parked = NULL;
	pair->parked_end = &pair->parked;
	spin_unlock_irq(&pair->lock);
	return list;
}

/* A round: what waits now. False if that was nothing. */
static bool dmr_pair_recover(struct dmr_pair *pair)
{
	struct dmr_request *list = dmr_pair_take(pair);

	if (!list)
		return false;
	dmr_debug(2, "recover dev=%s sector=%llu", pair->name, list->sector);
	pair->left = dmr_engine_recover(pair->engine, list);
	return true;
}

static void dmr_errand_release(struct kref *kref)
{
	kfree(container_of(kref, struct dmr_errand, kref));
}

/* One step, so that requests that fail meanwhile need not wait for the end. True if that was it. */
static bool dmr_errand_step(struct dmr_pair *pair, struct dmr_errand *errand)
{
	if (READ_ONCE(errand->cancelled))
		return true;
	if (!errand->is_repair)
		return !dmr_engine_job(pair->engine, &errand->job);
	errand->good_copies = dmr_engine_repair(pair->engine);
	dmr_debug(2, "repaired dev=%s good_copies=%u", pair->name, errand->good_copies);
	return true;
}

static struct dmr_errand *dmr_pair_errand(struct dmr_pair *pair)
{
	struct dmr_errand *errand;

	spin_lock_irq(&pair->lock);
	errand = list_first_entry_or_null(&pair->errands, struct dmr_errand, node);
	spin_unlock_irq(&pair->lock);
	return errand;
}

/* Whether the scan worker waits for a finding to be mended; one for each time that it asks. */
static bool dmr_pair_may_mend(struct dmr_pair *pair)
{
	if (READ_ONCE(pair->suspended) || !READ_ONCE(pair->mend))
		return false;
	WRITE_ONCE(pair->mend, false);
	return true;
}

static void dmr_errand_end(struct dmr_pair *pair, struct dmr_errand *errand)
{
	spin_lock_irq(&pair->lock);
	list_del(&errand->node);
	spin_unlock_irq(&pair->lock);
	complete(&errand->ended);
	kref_put(&errand->kref, dmr_errand_release);
}

/*
 * A round of all that waits, and again as long as there is more: requests may come without end, and
 * neither messages nor the scan worker are to wait for that.
 */
static void dmr_pair_work(struct work_struct *work)
{
	struct dmr_pair *pair = container_of(work, struct dmr_pair, work);
	unsigned int noio = memalloc_noio_save();
	bool more = dmr_pair_recover(pair);
	struct dmr_errand *errand = dmr_pair_errand(pair);

	if (errand) {
		more = true;
		if (dmr_errand_step(pair, errand))
			dmr_errand_end(pair, errand);
	}
	if (dmr_pair_may_mend(pair))
		dmr_engine_mend_found(pair->engine);
	memalloc_noio_restore(noio);
	if ((!more && dmr_scan_wanted(pair->engine)) ||
	    (!READ_ONCE(pair->suspended) && dmr_scan_found(pair->engine)))
		dmr_scan_kick(pair);
	if (more)
		queue_work(pair->queue, &pair->work);
}

/* Once nothing more is handed to the worker. */
static void dmr_pair_wait(struct dmr_pair *pair)
{
	while (flush_work(&pair->work))
		;
}

void dmr_pair_mend(struct dmr_pair *pair)
{
	WRITE_ONCE(pair->mend, true);
	queue_work(pair->queue, &pair->work);
	flush_work(&pair->work);
	WRITE_ONCE(pair->mend, false);
}

void dmr_pair_park(struct dmr_pair *pair, struct dmr_request *request)
{
	unsigned long flags;

	dmr_debug(3, "park dev=%s sector=%llu sectors=%u", pair->name, request->sector,
		  request->sectors);
	request->next = NULL;
	spin_lock_irqsave(&pair->lock, flags);
	*pair->parked_end = request;
	pair->parked_end = &request->next;
	queue_work(pair->queue, &pair->work);
	spin_unlock_irqrestore(&pair->lock, flags);
}

static bool dmr_pair_send(struct dmr_pair *pair, struct dmr_errand *errand)
{
	bool taken;

	spin_lock_irq(&pair->lock);
	taken = !pair->suspended;
	if (taken) {
		kref_get(&errand->kref);
		list_add_tail(&errand->node, &pair->errands);
		queue_work(pair->queue, &pair->work);
	}
	spin_unlock_irq(&pair->lock);
	return taken;
}

/* Sends the errand and waits. What it came to is in @result. */
static int dmr_pair_run(struct dmr_pair *pair, const struct dmr_errand *asked,
			struct dmr_errand *result)
{
	struct dmr_errand *errand;
	int r = -EBUSY;

	errand = kmemdup(asked, sizeof(*asked), GFP_NOIO);
	if (!errand)
		return -ENOMEM;
	kref_init(&errand->kref);
	init_completion(&errand->ended);
	if (dmr_pair_send(pair, errand)) {
		r = wait_for_completion_interruptible(&errand->ended);
		if (r)
			WRITE_ONCE(errand->cancelled, true);
		else if (errand->cancelled)
			r = -EBUSY;
		else
			*result = *errand;
	}
	kref_put(&errand->kref, dmr_errand_release);
	return r;
}

int dmr_pair_repair(struct dmr_pair *pair, u32 *good_copies)
{
	struct dmr_errand errand = { .is_repair = true };
	int r;

	r = dmr_pair_run(pair, &errand, &errand);
	*good_copies = errand.good_copies;
	return r;
}

int dmr_pair_job(struct dmr_pair *pair, struct dmr_job *job)
{
	struct dmr_errand errand = { .job = *job };
	int r;

	r = dmr_pair_run(pair, &errand, &errand);
	*job = errand.job;
	return r;
}

/* A message that waits holds device-mapper's lock against a suspend: it has to give way. */
void dmr_pair_presuspend(struct dmr_pair *pair)
{
	struct dmr_errand *errand;

	spin_lock_irq(&pair->lock);
	pair->suspended = true;
	list_for_each_entry(errand, &pair->errands, node)
		WRITE_ONCE(errand->cancelled, true);
	spin_unlock_irq(&pair->lock);
}

void dmr_pair_suspend(struct dmr_pair *pair)
{
	dmr_scan_stop(pair);
	dmr_pair_presuspend(pair);
	dmr_pair_wait(pair);
}

void dmr_pair_resume(struct dmr_pair *pair)
{
	spin_lock_irq(&pair->lock);
	pair->suspended = false;
	spin_unlock_irq(&pair->lock);
	dmr_scan_begin(pair);
}

/* ---- Registry ---- */

bool dmr_bdevs_overlap(const struct block_device *a, const struct block_device *b)
{
	return a->bd_disk == b->bd_disk &&
	       a->bd_start_sect < b->bd_start_sect + bdev_nr_sectors((struct block_device *)b) &&
	       b->bd_start_sect < a->bd_start_sect + bdev_nr_sectors((struct block_device *)a);
}

static bool dmr_pair_uses(const struct dmr_pair *pair, const struct block_device *bdev)
{
	return dmr_bdevs_overlap(pair->host.bdev[DMR_MAIN], bdev) ||
	       dmr_bdevs_overlap(pair->host.bdev[DMR_SPARE], bdev);
}

static struct dmr_pair *dmr_registry_user(const struct block_device *main,
					  const struct block_device *spare)
{
	struct dmr_pair *pair;

	lockdep_assert_held(&dmr_registry_lock);
	list_for_each_entry(pair, &dmr_registry, node)
		if (dmr_pair_uses(pair, main) || dmr_pair_uses(pair, spare))
			return pair;
	return NULL;
}

/* Whether a table of @md with these devices may share @pair. One device number is one
 * struct block_device as long as anybody has it open, so the running pair's pointers stay good.
 */
static bool dmr_pair_is_same(const struct dmr_pair *pair, const struct mapped_device *md,
			     const struct block_device *main, const struct block_device *spare)
{
	return pair->md == md && pair->host.bdev[DMR_MAIN] == main &&
	       pair->host.bdev[DMR_SPARE] == spare;
}

static void dmr_log_busy(const struct mapped_device *md, const struct dmr_pair *user)
{
	DMERR("busy dev=%s used_by=%s: main or spare is in use by another pair",
	      dm_device_name((struct mapped_device *)md), user->name);
}

struct dmr_pair *dmr_pair_find(struct mapped_device *md, struct block_device *main,
			       struct block_device *spare)
{
	struct dmr_pair *user;

	mutex_lock(&dmr_registry_lock);
	user = dmr_registry_user(main, spare);
	if (!user)
		goto out;
	if (!dmr_pair_is_same(user, md, main, spare) || user->state == DMR_PAIR_ENDING) {
		dmr_log_busy(md, user);
		user = ERR_PTR(-EBUSY);
	} else if (user->state == DMR_PAIR_OPEN) {
		user->tables++;
	} else {
		user = NULL; /* being opened this moment: dmr_pair_claim() finds it later */
	}
out:
	mutex_unlock(&dmr_registry_lock);
	return user;
}

struct dmr_pair *dmr_pair_claim(struct dmr_pair *pair)
{
	struct block_device *main = pair->host.bdev[DMR_MAIN];
	struct block_device *spare = pair->host.bdev[DMR_SPARE];
	struct dmr_pair *user;

	mutex_lock(&dmr_registry_lock);
	user = dmr_registry_user(main, spare);
	if (!user) {
		list_add(&pair->node, &dmr_registry);
		WRITE_ONCE(pair->state, DMR_PAIR_OPENING);
	} else if (user != pair) {
		if (dmr_pair_is_same(user, pair->md, main, spare) &&
		    user->state == DMR_PAIR_OPEN) {
			user->tables++;
			pair = user;
		} else {
			dmr_log_busy(pair->md, user);
			pair = ERR_PTR(-EBUSY);
		}
	}
	mutex_unlock(&dmr_registry_lock);
	return pair;
}

void dmr_pair_opened(struct dmr_pair *pair, bool opened)
{
	mutex_lock(&dmr_registry_lock);
	if (!opened)
		list_del_init(&pair->node);
	WRITE_ONCE(pair->state, opened ? DMR_PAIR_OPEN : DMR_PAIR_NEW);
	mutex_unlock(&dmr_registry_lock);
}

static void dmr_pair_describe(const struct dmr_pair *pair, struct dmr_seen *seen)
{
	struct dmr_spare *spare = &seen->spare;
	struct dmr_status status;

	dmr_engine_status(pair->engine, &status);
	memset(spare, 0, sizeof(*spare));
	spare->state = DMR_SPARE_ACTIVE;
	memcpy(spare->uuid, status.uuid, sizeof(spare->uuid));
	memcpy(spare->label, status.label, sizeof(spare->label));
	spare->sequence = status.sequence;
	spare->good_copies = status.good_copies;
	seen->live_main = pair->host.bdev[DMR_MAIN]->bd_dev;
}

enum dmr_use dmr_registry_use(const struct block_device *bdev, struct dmr_seen *seen)
{
	enum dmr_use use = DMR_USE_NONE;
	struct dmr_pair *pair;

	mutex_lock(&dmr_registry_lock);
	list_for_each_entry(pair, &dmr_registry, node) {
		if (pair->state == DMR_PAIR_OPEN && pair->host.bdev[DMR_SPARE] == bdev) {
			use = DMR_USE_SPARE;
			if (seen)
				dmr_pair_describe(pair, seen);
		} else if (dmr_pair_uses(pair, bdev) || dm_disk(pair->md) == bdev->bd_disk) {
			use = max(use, DMR_USE_BUSY);
		}
	}
	mutex_unlock(&dmr_registry_lock);
	return use;
}

/* ---- Lifetime ---- */

static void dmr_pair_free(struct dmr_pair *pair)
{
	dmr_scan_exit(pair);
	if (pair->queue)
		destroy_workqueue(pair->queue);
	dmr_host_exit(&pair->host);
	vfree(pair->arena);
	kfree(pair);
}

/* device-mapper doesn't always wait for bios before it destroys a table. */
static void dmr_pair_stop(struct dmr_pair *pair)
{
	dmr_scan_stop(pair);
	dmr_host_drain(&pair->host);
	dmr_pair_wait(pair);
}

void dmr_pair_put(struct dmr_pair *pair)
{
	bool last, listed;

	mutex_lock(&dmr_registry_lock);
	last = --pair->tables == 0;
	listed = !list_empty(&pair->node);
	if (last)
		WRITE_ONCE(pair->state, DMR_PAIR_ENDING);
	mutex_unlock(&dmr_registry_lock);
	if (!last)
		return;

	dmr_sysfs_remove(pair);
	if (listed) {
		dmr_pair_stop(pair);
		mutex_lock(&dmr_registry_lock);
		list_del(&pair->node);
		mutex_unlock(&dmr_registry_lock);
	}
	dmr_debug(1, "ended dev=%s", pair->name);
	dmr_pair_free(pair);
}

static void dmr_pair_init(struct dmr_pair *pair, struct mapped_device *md)
{
	pair->md = md;
	pair->name = dm_device_name(md);
	INIT_LIST_HEAD(&pair->node);
	pair->tables = 1;
	pair->state = DMR_PAIR_NEW;
	spin_lock_init(&pair->lock);
	pair->parked_end = &pair->parked;
	pair->suspended = true;
	INIT_LIST_HEAD(&pair->errands);
	INIT_WORK(&pair->work, dmr_pair_work);
	dmr_sysfs_init(pair);
}

struct dmr_pair *dmr_pair_create(struct mapped_device *md, struct block_device *main,
				 struct block_device *spare, const struct dmr_geometry *geometry,
				 const struct dmr_main_identity *identity)
{
	struct dmr_pair *pair;

	pair = kzalloc(sizeof(*pair), GFP_KERNEL);
	if (!pair)
		return ERR_PTR(-ENOMEM);
	dmr_pair_init(pair, md);
	if (dmr_host_init(&pair->host, main, spare, pair->name)) {
		kfree(pair);
		return ERR_PTR(-ENOMEM);
	}
	pair->arena = vzalloc(dmr_engine_arena_bytes(geometry));
	pair->queue = alloc_ordered_workqueue("dm-remap/%s", WQ_MEM_RECLAIM, pair->name);
	if (dmr_scan_init(pair) || !pair->arena || !pair->queue) {
		dmr_pair_free(pair);
		return ERR_PTR(-ENOMEM);
	}
	pair->engine = dmr_engine_init(pair->arena, geometry, identity, &pair->host);
	return pair;
}
