// SPDX-License-Identifier: GPL-2.0
/*
 * The world as the core sees it: blocking I/O, the drain, clock, checksums. See host.h.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/crc32.h>
#include <linux/delay.h>
#include <linux/highmem.h>
#include <linux/minmax.h>
#include <linux/rcupdate.h>
#include <linux/timekeeping.h>
#include <linux/uuid.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "host.h"
#include "log.h"

#define DMR_DRAIN_FIRST_SLEEP_US 50
#define DMR_DRAIN_LONGEST_SLEEP_US 10000

enum dmr_sts dmr_sts_of(blk_status_t status)
{
	switch (status) {
	case BLK_STS_OK:
		return DMR_STS_OK;
	case BLK_STS_IOERR:
		return DMR_STS_IOERR;
	case BLK_STS_MEDIUM:
		return DMR_STS_MEDIUM;
	case BLK_STS_TARGET:
		return DMR_STS_TARGET;
	case BLK_STS_NOTSUPP:
		return DMR_STS_NOTSUPP;
	case BLK_STS_TIMEOUT:
		return DMR_STS_TIMEOUT;
	case BLK_STS_NOSPC:
		return DMR_STS_NOSPC;
	case BLK_STS_TRANSPORT:
		return DMR_STS_TRANSPORT;
	case DMR_BLK_STS_RESV_CONFLICT:
		return DMR_STS_RESV_CONFLICT;
	case BLK_STS_RESOURCE:
	case BLK_STS_DEV_RESOURCE:
	case BLK_STS_AGAIN:
		return DMR_STS_RESOURCE;
	case BLK_STS_OFFLINE:
		return DMR_STS_OFFLINE;
	default:
		return DMR_STS_OTHER;
	}
}

static enum dmr_sts dmr_host_submit(struct bio *bio)
{
	enum dmr_sts sts;

	submit_bio_wait(bio);
	sts = dmr_sts_of(bio->bi_status);
	bio_uninit(bio);
	return sts;
}

/* One bio's worth. The buffer is the engine's, from vmalloc. */
static enum dmr_sts dmr_host_chunk(struct dmr_host *host, struct block_device *bdev, u64 sector,
				   unsigned int bytes, void *buffer, blk_opf_t opf)
{
	struct bio *bio = &host->bio;
	unsigned int done, part;

	bio_init(bio, bdev, host->vecs, DMR_HOST_CHUNK_PAGES, opf);
	bio->bi_iter.bi_sector = sector;
	for (done = 0; done < bytes; done += part) {
		part = min_t(unsigned int, bytes - done,
			     PAGE_SIZE - offset_in_page(buffer + done));
		__bio_add_page(bio, vmalloc_to_page(buffer + done), part,
			       offset_in_page(buffer + done));
	}
	return dmr_host_submit(bio);
}

static enum dmr_sts dmr_host_io(struct dmr_host *host, enum dmr_device device, u64 sector,
				u32 sectors, void *buffer, blk_opf_t opf)
{
	enum dmr_sts sts = DMR_STS_OK;
	u32 done, part;

	for (done = 0; done < sectors && sts == DMR_STS_OK; done += part) {
		part = min(sectors - done, DMR_HOST_CHUNK_SECTORS);
		sts = dmr_host_chunk(host, host->bdev[device], sector + done,
				     part * DMR_SECTOR_BYTES, buffer + done * DMR_SECTOR_BYTES,
				     opf | REQ_SYNC | REQ_META);
	}
	return sts;
}

enum dmr_sts dmr_host_read(struct dmr_host *host, enum dmr_device device, dmr_u64 sector,
			   dmr_u32 sectors, void *buffer)
{
	enum dmr_sts sts;

	sts = dmr_host_io(host, device, sector, sectors, buffer, REQ_OP_READ);
	invalidate_kernel_vmap_range(buffer, sectors * DMR_SECTOR_BYTES);
	return sts;
}

enum dmr_sts dmr_host_write(struct dmr_host *host, enum dmr_device device, dmr_u64 sector,
			    dmr_u32 sectors, const void *buffer, int fua)
{
	flush_kernel_vmap_range((void *)buffer, sectors * DMR_SECTOR_BYTES);
	return dmr_host_io(host, device, sector, sectors, (void *)buffer,
			   REQ_OP_WRITE | (fua ? REQ_FUA : 0));
}

enum dmr_sts dmr_host_flush(struct dmr_host *host, enum dmr_device device)
{
	bio_init(&host->bio, host->bdev[device], NULL, 0,
		 REQ_OP_WRITE | REQ_PREFLUSH | REQ_SYNC | REQ_META);
	return dmr_host_submit(&host->bio);
}

static unsigned long dmr_inflight_sum(const struct dmr_inflight *inflight, unsigned long phase)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(inflight->count, cpu)[phase - 1]);
	return sum;
}

void dmr_host_drain(struct dmr_host *host)
{
	struct dmr_inflight *inflight = &host->inflight;
	unsigned long sleep_us = DMR_DRAIN_FIRST_SLEEP_US;
	unsigned long old;

	mutex_lock(&host->drain_lock);
	old = inflight->phase;
	WRITE_ONCE(inflight->phase, 3 - old);
	synchronize_rcu();
	/* Polled, so that leaving the count need not look for someone to wake. */
	while (dmr_inflight_sum(inflight, old)) {
		fsleep(sleep_us);
		sleep_us = min_t(unsigned long, sleep_us * 2, DMR_DRAIN_LONGEST_SLEEP_US);
	}
	smp_rmb(); /* pairs with dmr_inflight_leave() */
	mutex_unlock(&host->drain_lock);
}

dmr_u32 dmr_host_crc32(dmr_u32 crc, const void *data, dmr_size bytes)
{
	return ~crc32_le(~crc, data, bytes);
}

dmr_u64 dmr_host_now(struct dmr_host *host)
{
	return ktime_get_real_seconds();
}

dmr_u64 dmr_host_uptime(struct dmr_host *host)
{
	return ktime_get_seconds();
}

void dmr_host_new_uuid(struct dmr_host *host, dmr_u8 uuid[DMR_UUID_BYTES])
{
	generate_random_uuid(uuid);
}

void dmr_host_event(struct dmr_host *host, const struct dmr_event *event)
{
	dmr_events_note(&host->events, event);
}

void dmr_host_assert_failed(const char *expression, const char *file, int line)
{
	WARN(1, DM_NAME ": " DM_MSG_PREFIX ": assertion failed: %s (%s:%d)\n", expression, file,
	     line);
}

int dmr_host_init(struct dmr_host *host, struct block_device *main, struct block_device *spare,
		  const char *name)
{
	host->inflight.count = __alloc_percpu(DMR_INFLIGHT_BYTES, DMR_INFLIGHT_BYTES);
	if (!host->inflight.count)
		return -ENOMEM;
	host->inflight.phase = 1;
	host->bdev[DMR_MAIN] = main;
	host->bdev[DMR_SPARE] = spare;
	mutex_init(&host->drain_lock);
	dmr_events_init(&host->events, name);
	return 0;
}

void dmr_host_exit(struct dmr_host *host)
{
	dmr_events_exit(&host->events);
	free_percpu(host->inflight.count);
}
