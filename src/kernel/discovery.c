// SPDX-License-Identifier: GPL-2.0
/*
 * Looking for spares and their mains. See discovery.h.
 */
#include <linux/bio.h>
#include <linux/completion.h>
#include <linux/device/class.h>
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/major.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "config.h"
#include "devices.h"
#include "discovery.h"
#include "dm_remap/pairing.h"
#include "log.h"
#include "pair.h"

#define DMR_LOOKS_AT_A_TIME 8 /* and those left behind that have not answered yet */
#define DMR_LOOK_TIME (10 * HZ)
#define DMR_WATCH_INTERVAL (2 * HZ)
/* Scans for one change, if devices were not ready: they become so without another sign. */
#define DMR_WATCH_TRIES 3

#define DMR_DEVICE_NAME_BYTES (DISK_NAME_LEN + 8) /* a partition's number may follow */
#define DMR_LINE_BYTES 256                        /* more than any line needs */

/* A look at one device. References: the scan's, and the work's once it is started. */
struct dmr_look {
	struct dmr_seen seen;
	struct kref kref;
	struct device *device; /* with a reference */
	char name[DMR_DEVICE_NAME_BYTES];
	struct work_struct work;
	struct completion ended;
	unsigned long deadline; /* jiffies; once it is started */
	bool abandoned; /* what it sees is not wanted any more */
	bool ready;     /* it was opened, and its headers could be read, if it may be a spare */
	struct list_head node;    /* of the scan */
	struct list_head running; /* of dmr_looks_running */
};

static typeof_member(struct device, class) dmr_block_class;
static struct workqueue_struct *dmr_look_queue;
static struct workqueue_struct *dmr_watch_queue;

static DEFINE_SPINLOCK(dmr_looks_lock);
static LIST_HEAD(dmr_looks_running); /* under dmr_looks_lock */

static DEFINE_MUTEX(dmr_scan_lock);
static u32 dmr_scanned_sum; /* dmr_devices_sum() before the last scan; see dmr_watch_work() */
static bool dmr_late_answer; /* from a look that had no time left */

/* What the last scan left. */
static DEFINE_MUTEX(dmr_lists_lock);
static struct dmr_list {
	char *text;
	size_t size;
} dmr_lists[DMR_DISCOVERY_LISTS];
static s64 dmr_scanned_at;

static void dmr_watch_work(struct work_struct *work);
static DEFINE_MUTEX(dmr_watch_lock);
static DECLARE_DELAYED_WORK(dmr_watch, dmr_watch_work);
static bool dmr_watch_possible; /* between init and exit; under dmr_watch_lock */
static unsigned int dmr_watch_tries; /* that are left; the watch's */

/* ---- Block devices ---- */

static struct block_device *dmr_look_bdev(const struct dmr_look *look)
{
	return dev_to_bdev(look->device);
}

/*
 * Whether there is something to look at: a disk that is being added can't be opened yet, and what
 * has no size (no medium, no table) has nothing to read. Opening a drive may close its tray.
 */
static bool dmr_bdev_is_there(struct block_device *bdev)
{
	const struct gendisk *disk = bdev->bd_disk;
	const unsigned int major = MAJOR(bdev->bd_dev);

	return test_bit(GD_ADDED, &disk->state) && !test_bit(GD_DEAD, &disk->state) &&
	       !(disk->flags & GENHD_FL_HIDDEN) && bdev_nr_sectors(bdev) &&
	       major != FLOPPY_MAJOR && major != SCSI_CDROM_MAJOR;
}

/* Calls @visit for each; a device may go, but not while it is visited. */
static int dmr_for_each_bdev(int (*visit)(struct block_device *bdev, void *data), void *data)
{
	struct class_dev_iter iter;
	struct device *device;
	int r = 0;

	class_dev_iter_init(&iter, dmr_block_class, NULL, NULL);
	while (!r && (device = class_dev_iter_next(&iter)))
		if (dmr_bdev_is_there(dev_to_bdev(device)))
			r = visit(dev_to_bdev(device), data);
	class_dev_iter_exit(&iter);
	return r;
}

static int dmr_sum_device(struct block_device *bdev, void *data)
{
	const u64 facts[] = { bdev->bd_dev, bdev_nr_sectors(bdev), bdev->bd_disk->diskseq,
			      dmr_registry_use(bdev, NULL) };
	u32 *sum = data;

	*sum = dmr_host_crc32(*sum, facts, sizeof(facts));
	return 0;
}

/* Another one if devices came, went, changed their size, or what live targets use has changed. */
static u32 dmr_devices_sum(void)
{
	u32 sum = 0;

	dmr_for_each_bdev(dmr_sum_device, &sum);
	return sum;
}

/* ---- A look ---- */

static void dmr_look_release(struct kref *kref)
{
	struct dmr_look *look = container_of(kref, struct dmr_look, kref);

	put_device(look->device);
	kfree(look);
}

/*
 * As read-ahead, which may fail rather than wait: a suspended device of device-mapper would keep
 * the read until it is resumed.
 */
static bool dmr_look_read(struct block_device *bdev, u64 sector, void *buffer)
{
	struct bio_vec vec;
	struct bio bio;
	int r;

	bio_init(&bio, bdev, &vec, 1, REQ_OP_READ | REQ_RAHEAD);
	bio.bi_iter.bi_sector = sector;
	__bio_add_page(&bio, virt_to_page(buffer), DMR_BLOCK_BYTES, offset_in_page(buffer));
	r = submit_bio_wait(&bio);
	bio_uninit(&bio);
	return !r;
}

/* Whether all header places could be read. */
static bool dmr_look_for_spare(struct dmr_look *look, struct block_device *bdev)
{
	const void *headers[DMR_COPIES] = { };
	unsigned int i, read = 0;
	u8 *buffer;

	/* A power of two: such memory is aligned to its size. */
	buffer = kmalloc(roundup_pow_of_two(DMR_COPIES * DMR_BLOCK_BYTES), GFP_KERNEL);
	if (!buffer)
		return false;
	for (i = 0; i < DMR_COPIES && !READ_ONCE(look->abandoned); i++) {
		void *header = buffer + i * DMR_BLOCK_BYTES;

		if (!dmr_look_read(bdev, dmr_header_sector(i), header))
			continue;
		headers[i] = header;
		read++;
	}
	dmr_spare_judge(&look->seen.spare, headers, bdev_nr_sectors(bdev));
	kfree(buffer);
	return read == DMR_COPIES;
}

static void dmr_look_at(struct dmr_look *look, struct block_device *bdev)
{
	struct dmr_seen *seen = &look->seen;

	seen->print.sectors = bdev_nr_sectors(bdev);
	seen->print.logical_sectors = bdev_logical_block_size(bdev) >> SECTOR_SHIFT;
	dmr_devices_identify(bdev, &seen->print.identity);
	look->ready = true;
	/* What the constructor refuses. */
	if (bdev_is_zoned(bdev) || blk_queue_dax(bdev_get_queue(bdev))) {
		seen->unfit = true;
		return;
	}
	/* Live pairs speak for themselves; and a main that fails is spared the reads. */
	if (dmr_registry_use(bdev, NULL) || seen->print.sectors < DMR_SPARE_MIN_SECTORS ||
	    bdev_logical_block_size(bdev) > DMR_BLOCK_BYTES)
		return;
	look->ready = dmr_look_for_spare(look, bdev);
}

/*
 * An open count would have device-mapper's devices refuse to be removed; a reference makes that wait
 * for the read. But a request-based one that is suspended keeps even a read-ahead until it is resumed,
 * which can't happen any more once it is being removed: that one has to refuse.
 */
static struct mapped_device *dmr_look_md(const struct dmr_look *look)
{
	struct mapped_device *md = dm_get_md(look->device->devt);

	/* The number may have been given to another device. */
	if (md && (dm_disk(md)->part0 != dmr_look_bdev(look) ||
		   queue_is_mq(bdev_get_queue(dmr_look_bdev(look))))) {
		dm_put(md);
		return NULL;
	}
	return md;
}

static void dmr_look_open(struct dmr_look *look)
{
	struct block_device *bdev = dmr_look_bdev(look);
	struct mapped_device *md;
	dmr_bdev_handle handle;

	md = dmr_look_md(look);
	if (md) {
		dmr_look_at(look, bdev);
		dm_put(md);
		return;
	}
	handle = dmr_bdev_open(look->device->devt);
	if (IS_ERR(handle))
		return;
	/* Its number may have been given to another device. */
	if (dmr_bdev_of(handle) == bdev)
		dmr_look_at(look, bdev);
	dmr_bdev_close(handle);
}

static void dmr_look_work(struct work_struct *work)
{
	struct dmr_look *look = container_of(work, struct dmr_look, work);

	if (!READ_ONCE(look->abandoned))
		dmr_look_open(look);
	spin_lock(&dmr_looks_lock);
	list_del(&look->running);
	spin_unlock(&dmr_looks_lock);
	complete(&look->ended);
	/* Not what a signal has ended: whoever scans next waits for that, or asks anew. */
	if (time_after_eq(jiffies, look->deadline))
		WRITE_ONCE(dmr_late_answer, true);
	kref_put(&look->kref, dmr_look_release);
}

static bool dmr_look_is_running(dev_t dev)
{
	struct dmr_look *look;
	bool found = false;

	spin_lock(&dmr_looks_lock);
	list_for_each_entry(look, &dmr_looks_running, running)
		found |= look->device->devt == dev;
	spin_unlock(&dmr_looks_lock);
	return found;
}

/* A device's name is its driver's choice, and some leave it to a user: nothing that ends a word. */
static void dmr_look_name(struct dmr_look *look)
{
	char *c;

	strscpy(look->name, dev_name(look->device), sizeof(look->name));
	for (c = look->name; *c; c++)
		if (*c <= ' ' || *c > '~')
			*c = '?';
}

struct dmr_looks {
	struct list_head list;
	bool ready; /* false: some device was not */
};

static int dmr_look_add(struct block_device *bdev, void *data)
{
	struct dmr_looks *looks = data;
	struct dmr_look *look;

	if (dmr_look_is_running(bdev->bd_dev)) {
		looks->ready = false; /* since an earlier scan */
		return 0;
	}
	look = kzalloc(sizeof(*look), GFP_KERNEL);
	if (!look)
		return -ENOMEM;
	kref_init(&look->kref);
	look->device = get_device(&bdev->bd_device);
	dmr_look_name(look);
	look->seen.number = bdev->bd_dev;
	look->seen.disk = bdev->bd_disk;
	look->seen.first_sector = bdev->bd_start_sect;
	INIT_WORK(&look->work, dmr_look_work);
	init_completion(&look->ended);
	list_add_tail(&look->node, &looks->list);
	return 0;
}

static void dmr_look_start(struct dmr_look *look)
{
	kref_get(&look->kref);
	look->deadline = jiffies + DMR_LOOK_TIME;
	spin_lock(&dmr_looks_lock);
	list_add(&look->running, &dmr_looks_running);
	spin_unlock(&dmr_looks_lock);
	queue_work(dmr_look_queue, &look->work);
}

static void dmr_look_end(struct dmr_look *look)
{
	WRITE_ONCE(look->abandoned, true);
	list_del(&look->node);
	kref_put(&look->kref, dmr_look_release);
}

/* Positive if it ended in its time; 0 if not, which is said; -ERESTARTSYS on a signal. */
static long dmr_look_wait(struct dmr_look *look)
{
	const long left = look->deadline - jiffies;
	const long r = wait_for_completion_interruptible_timeout(&look->ended, max(left, 0L));

	if (!r)
		DMWARN("no_answer device=%s: passed over by discovery", look->name);
	return r;
}

/* One that is running and has time left, with a reference; or NULL. */
static struct dmr_look *dmr_look_in_time(void)
{
	struct dmr_look *look, *found = NULL;

	spin_lock(&dmr_looks_lock);
	list_for_each_entry(look, &dmr_looks_running, running)
		if (time_before(jiffies, look->deadline))
			found = look;
	if (found)
		kref_get(&found->kref);
	spin_unlock(&dmr_looks_lock);
	return found;
}

/* ---- A scan ---- */

/*
 * What an interrupted scan left behind has the time that it would have had: else the next scan, which is
 * often the same one begun again, would pass over its device. -ERESTARTSYS on a signal.
 */
static int dmr_looks_wait_for_interrupted(void)
{
	struct dmr_look *look;
	long r = 0;

	while (r >= 0 && (look = dmr_look_in_time())) {
		r = dmr_look_wait(look);
		kref_put(&look->kref, dmr_look_release);
	}
	return min(r, 0L);
}

/* One that has been waited for too long is dropped, and its place is free. -ERESTARTSYS on a signal. */
static int dmr_looks_run(struct dmr_looks *looks)
{
	struct dmr_look *look, *next;
	struct list_head *waiting = looks->list.next;
	unsigned int running = 0;
	long r;

	list_for_each_entry_safe(look, next, &looks->list, node) {
		for (; waiting != &looks->list && running < DMR_LOOKS_AT_A_TIME; running++) {
			dmr_look_start(list_entry(waiting, struct dmr_look, node));
			waiting = waiting->next;
		}
		r = dmr_look_wait(look);
		if (r < 0)
			return r;
		running--;
		looks->ready &= r && look->ready;
		if (!r)
			dmr_look_end(look);
	}
	return 0;
}

/* What live targets use may have changed since, so it is asked again. */
static void dmr_looks_decide(struct list_head *looks)
{
	struct dmr_seen *list = NULL;
	struct dmr_look *look;

	list_for_each_entry_reverse(look, looks, node) {
		if (dmr_registry_use(dmr_look_bdev(look), &look->seen))
			look->seen.unfit = true;
		look->seen.next = list;
		list = &look->seen;
	}
	dmr_pair_up(list);
}

static size_t dmr_print_device(char *line, const struct dmr_look *look)
{
	const struct dmr_spare *spare = &look->seen.spare;
	char uuid[DMR_UUID_TEXT_BYTES] = "-";

	if (spare->good_copies)
		dmr_uuid_format(spare->uuid, uuid);
	return scnprintf(line, DMR_LINE_BYTES, "%s %u:%u %s %s %llu %u/%u %s\n", look->name,
			 MAJOR(look->device->devt), MINOR(look->device->devt), uuid,
			 spare->label[0] ? spare->label : "-", spare->sequence, spare->good_copies,
			 DMR_COPIES, dmr_spare_state_name(spare->state));
}

static size_t dmr_print_pair(char *line, const struct dmr_look *look)
{
	const struct dmr_seen *seen = &look->seen;
	char uuid[DMR_UUID_TEXT_BYTES], matched[DMR_MATCH_TEXT_BYTES];

	if (!seen->main)
		return 0;
	dmr_uuid_format(seen->spare.uuid, uuid);
	return scnprintf(line, DMR_LINE_BYTES, "%s %s %s %u %s\n", uuid,
			 container_of(seen->main, struct dmr_look, seen)->name, look->name,
			 seen->confidence, dmr_match_print(seen->matched, matched));
}

/* All spares' lines. */
static int dmr_print_list(struct list_head *looks, struct dmr_list *list,
			  size_t (*print)(char *line, const struct dmr_look *look))
{
	struct dmr_look *look;
	size_t spares = 0;

	list_for_each_entry(look, looks, node)
		spares += look->seen.spare.state != DMR_SPARE_NONE;
	list->text = kvmalloc_array(spares + 1, DMR_LINE_BYTES, GFP_KERNEL);
	if (!list->text)
		return -ENOMEM;
	list_for_each_entry(look, looks, node)
		if (look->seen.spare.state != DMR_SPARE_NONE)
			list->size += print(list->text + list->size, look);
	return 0;
}

static void dmr_lists_free(struct dmr_list *lists)
{
	unsigned int i;

	for (i = 0; i < DMR_DISCOVERY_LISTS; i++)
		kvfree(lists[i].text);
}

static int dmr_lists_publish(struct list_head *looks)
{
	struct dmr_list lists[DMR_DISCOVERY_LISTS] = { };
	unsigned int i;
	int r;

	dmr_looks_decide(looks);
	r = dmr_print_list(looks, &lists[DMR_DISCOVERY_DEVICES], dmr_print_device);
	if (!r)
		r = dmr_print_list(looks, &lists[DMR_DISCOVERY_PAIRS], dmr_print_pair);
	if (!r) {
		mutex_lock(&dmr_lists_lock);
		for (i = 0; i < DMR_DISCOVERY_LISTS; i++)
			swap(lists[i], dmr_lists[i]);
		dmr_scanned_at = ktime_get_real_seconds();
		mutex_unlock(&dmr_lists_lock);
	}
	dmr_lists_free(lists);
	return r;
}

/* *@ready: whether all devices were. */
static int dmr_scan_devices(bool *ready)
{
	struct dmr_looks looks = { .list = LIST_HEAD_INIT(looks.list), .ready = true };
	struct dmr_look *look, *next;
	u32 sum;
	int r;

	if (mutex_lock_interruptible(&dmr_scan_lock))
		return -ERESTARTSYS;
	r = dmr_looks_wait_for_interrupted();
	/* Before the looks: what changes meanwhile is for another scan. */
	sum = dmr_devices_sum();
	if (!r)
		r = dmr_for_each_bdev(dmr_look_add, &looks);
	if (!r)
		r = dmr_looks_run(&looks);
	if (!r)
		r = dmr_lists_publish(&looks.list);
	if (!r)
		WRITE_ONCE(dmr_scanned_sum, sum);
	*ready = looks.ready;
	list_for_each_entry_safe(look, next, &looks.list, node)
		dmr_look_end(look);
	mutex_unlock(&dmr_scan_lock);
	return r;
}

int dmr_discover(void)
{
	bool ready;

	return dmr_scan_devices(&ready);
}

bool dmr_discovering(void)
{
	return mutex_is_locked(&dmr_scan_lock);
}

s64 dmr_discovery_last(void)
{
	s64 last;

	mutex_lock(&dmr_lists_lock);
	last = dmr_scanned_at;
	mutex_unlock(&dmr_lists_lock);
	return last;
}

ssize_t dmr_discovery_read(enum dmr_discovery_list which, char *buffer, loff_t offset, size_t size)
{
	ssize_t r;

	mutex_lock(&dmr_lists_lock);
	r = memory_read_from_buffer(buffer, size, &offset, dmr_lists[which].text,
				    dmr_lists[which].size);
	mutex_unlock(&dmr_lists_lock);
	return r;
}

/* ---- The watch ---- */

static void dmr_watch_work(struct work_struct *work)
{
	static u32 last_sum;
	static bool late_counts;
	const u32 sum = dmr_devices_sum();
	bool ready;

	if (!dmr_default(DMR_CONFIG_AUTO_SCAN))
		return;
	/* What is still changing is left alone: a device that is open can be in its owner's way. */
	if (sum == last_sum && sum != READ_ONCE(dmr_scanned_sum)) {
		dmr_watch_tries = DMR_WATCH_TRIES;
		late_counts = true;
		/* One from before would use up what this change allows. */
		WRITE_ONCE(dmr_late_answer, false);
	} else if (sum == last_sum && late_counts && xchg(&dmr_late_answer, false)) {
		/* Once: a disk that always answers late is not to be read for ever. */
		dmr_watch_tries = 1;
		late_counts = false;
	}
	if (sum == last_sum && dmr_watch_tries) {
		dmr_watch_tries--;
		if (!dmr_scan_devices(&ready) && ready)
			dmr_watch_tries = 0;
	}
	last_sum = sum;
	queue_delayed_work(dmr_watch_queue, &dmr_watch, DMR_WATCH_INTERVAL);
}

void dmr_discovery_watch(void)
{
	mutex_lock(&dmr_watch_lock);
	if (dmr_watch_possible)
		mod_delayed_work(dmr_watch_queue, &dmr_watch, 0);
	mutex_unlock(&dmr_watch_lock);
}

/* ---- The module's life ---- */

/* The block layer keeps its class to itself, but each disk names it. */
static int dmr_find_block_class(void)
{
	struct gendisk *disk = dmr_alloc_disk();

	if (IS_ERR_OR_NULL(disk))
		return -ENOMEM;
	dmr_block_class = disk_to_dev(disk)->class;
	put_disk(disk);
	return 0;
}

int dmr_discovery_module_init(void)
{
	int r;

	r = dmr_find_block_class();
	if (r)
		return r;
	dmr_look_queue = alloc_workqueue("dm-remap-look", WQ_UNBOUND, 0);
	if (!dmr_look_queue)
		return -ENOMEM;
	dmr_watch_queue = alloc_workqueue("dm-remap-watch", WQ_UNBOUND, 1);
	if (!dmr_watch_queue) {
		destroy_workqueue(dmr_look_queue);
		return -ENOMEM;
	}
	/* What is there now did not come. */
	dmr_scanned_sum = dmr_devices_sum();
	mutex_lock(&dmr_watch_lock);
	dmr_watch_possible = true;
	mutex_unlock(&dmr_watch_lock);
	dmr_discovery_watch();
	return 0;
}

void dmr_discovery_module_exit(void)
{
	mutex_lock(&dmr_watch_lock);
	dmr_watch_possible = false;
	mutex_unlock(&dmr_watch_lock);
	cancel_delayed_work_sync(&dmr_watch);
	destroy_workqueue(dmr_watch_queue);
	destroy_workqueue(dmr_look_queue);
	dmr_lists_free(dmr_lists);
}
