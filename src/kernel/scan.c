// SPDX-License-Identifier: GPL-2.0
/*
 * The scan worker. See scan.h.
 */
#include <linux/blkdev.h>
#include <linux/gfp.h>
#include <linux/ioprio.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/part_stat.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#include "compat.h"
#include "pair.h"
#include "scan.h"

static struct dmr_pair *dmr_pair_of(struct dmr_host *host)
{
	return container_of(host, struct dmr_pair, host);
}

/* ---- What the core asks for ---- */

/* Pages for reads of that size, or as many as there are. False if there is none at all. */
static bool dmr_scan_grow(struct dmr_scan *scan, unsigned int pages)
{
	struct bio_vec *vecs;
	struct page **more;

	if (scan->page_count >= pages)
		return true;
	more = krealloc(scan->pages, pages * sizeof(*more), GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN);
	if (!more)
		return scan->page_count;
	scan->pages = more;
	vecs = krealloc(scan->vecs, pages * sizeof(*vecs), GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN);
	if (!vecs)
		return scan->page_count;
	scan->vecs = vecs;
	while (scan->page_count < pages) {
		struct page *page = alloc_page(GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN);

		if (!page)
			break;
		scan->pages[scan->page_count++] = page;
	}
	return scan->page_count;
}

static void dmr_scan_free(struct dmr_scan *scan)
{
	while (scan->page_count)
		__free_page(scan->pages[--scan->page_count]);
	kfree(scan->vecs);
	kfree(scan->pages);
	scan->vecs = NULL;
	scan->pages = NULL;
}

/* One bio of as many sectors as there is memory for; *sectors becomes how many that were. */
static enum dmr_sts dmr_scan_part(struct dmr_scan *scan, struct block_device *bdev, u64 sector,
				  u32 *sectors)
{
	unsigned int bytes = *sectors << SECTOR_SHIFT, part, page = 0;
	struct bio *bio = &scan->bio;
	enum dmr_sts sts;

	if (!dmr_scan_grow(scan, DIV_ROUND_UP(bytes, PAGE_SIZE)))
		return DMR_STS_RESOURCE;
	bytes = min_t(unsigned int, bytes, scan->page_count * PAGE_SIZE);
	*sectors = bytes >> SECTOR_SHIFT;
	bio_init(bio, bdev, scan->vecs, scan->page_count, REQ_OP_READ);
	bio->bi_iter.bi_sector = sector;
	bio->bi_ioprio = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0);
	for (; bytes; bytes -= part) {
		part = min_t(unsigned int, bytes, PAGE_SIZE);
		__bio_add_page(bio, scan->pages[page++], part, 0);
	}
	submit_bio_wait(bio);
	sts = dmr_sts_of(bio->bi_status);
	bio_uninit(bio);
	return sts;
}

enum dmr_sts dmr_host_scan_read(struct dmr_host *host, enum dmr_device device, dmr_u64 sector,
				dmr_u32 sectors)
{
	struct dmr_scan *scan = &dmr_pair_of(host)->scan;
	enum dmr_sts sts = DMR_STS_OK;
	u32 part;

	for (; sectors && sts == DMR_STS_OK; sectors -= part, sector += part) {
		part = sectors;
		sts = dmr_scan_part(scan, host->bdev[device], sector, &part);
	}
	return sts;
}

dmr_u64 dmr_host_clock(struct dmr_host *host)
{
	return ktime_to_us(ktime_get());
}

/*
 * Ended is what main's whole disk has counted. Under way is what the target's own device counts as
 * such: the scanner's reads do not go through that one.
 */
void dmr_host_load(struct dmr_host *host, struct dmr_load *load)
{
	struct block_device *whole = host->bdev[DMR_MAIN]->bd_disk->part0;
	struct block_device *target = dm_disk(dmr_pair_of(host)->md)->part0;
	int cpu, waiting = 0;

	/* Counted on by any CPU meanwhile, without a lock: what is seen late is seen by the next look. */
	load->sectors = data_race(part_stat_read_accum(whole, sectors));
	for_each_possible_cpu(cpu)
		waiting += part_stat_local_read_cpu(target, in_flight[0], cpu) +
			   part_stat_local_read_cpu(target, in_flight[1], cpu);
	/* A sum over CPUs is no snapshot. */
	load->waiting = max(waiting, 0);
	load->known = dmr_io_is_counted(bdev_get_queue(whole));
}

/* ---- The worker ---- */

static void dmr_scan_work(struct work_struct *work)
{
	struct dmr_pair *pair = container_of(to_delayed_work(work), struct dmr_pair, scan.work);
	unsigned int noio = memalloc_noio_save();
	u64 wait;

	wait = dmr_scan_step(pair->engine);
	memalloc_noio_restore(noio);
	if (!dmr_engine_config(pair->engine, DMR_CONFIG_SCAN_ENABLED))
		dmr_scan_free(&pair->scan);
	/* Waited for here, so that nothing is being mended while this queue is frozen. */
	if (dmr_scan_found(pair->engine))
		dmr_pair_mend(pair);
	/* Does nothing if somebody has kicked it meanwhile. */
	queue_delayed_work(pair->scan.queue, &pair->scan.work,
			   usecs_to_jiffies(min_t(u64, wait, UINT_MAX)));
}

void dmr_scan_kick(struct dmr_pair *pair)
{
	struct dmr_scan *scan = &pair->scan;

	mutex_lock(&scan->lock);
	if (!scan->stopped)
		mod_delayed_work(scan->queue, &scan->work, 0);
	mutex_unlock(&scan->lock);
}

int dmr_scan_command(struct dmr_pair *pair, enum dmr_scan_command command)
{
	struct dmr_status status;

	if (!dmr_pair_is_open(pair))
		return -EBUSY;
	dmr_engine_status(pair->engine, &status);
	if (status.read_only_metadata)
		return -EROFS;
	if (!dmr_scan_control(pair->engine, command))
		return -EINVAL;
	dmr_scan_kick(pair);
	return 0;
}

void dmr_scan_begin(struct dmr_pair *pair)
{
	struct dmr_scan *scan = &pair->scan;

	mutex_lock(&scan->lock);
	scan->stopped = false;
	mutex_unlock(&scan->lock);
	dmr_scan_kick(pair);
}

void dmr_scan_stop(struct dmr_pair *pair)
{
	struct dmr_scan *scan = &pair->scan;

	mutex_lock(&scan->lock);
	scan->stopped = true;
	mutex_unlock(&scan->lock);
	cancel_delayed_work_sync(&scan->work);
}

int dmr_scan_init(struct dmr_pair *pair)
{
	struct dmr_scan *scan = &pair->scan;

	INIT_DELAYED_WORK(&scan->work, dmr_scan_work);
	mutex_init(&scan->lock);
	scan->stopped = true;
	scan->queue = alloc_workqueue("dm-remap-scan/%s", WQ_UNBOUND | WQ_FREEZABLE, 1, pair->name);
	return scan->queue ? 0 : -ENOMEM;
}

void dmr_scan_exit(struct dmr_pair *pair)
{
	struct dmr_scan *scan = &pair->scan;

	if (scan->queue)
		destroy_workqueue(scan->queue);
	dmr_scan_free(scan);
}
