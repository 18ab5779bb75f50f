// SPDX-License-Identifier: GPL-2.0
/*
 * map(), end_io() and parked requests. See bio.h.
 */
#include <linux/bio.h>
#include <linux/build_bug.h>
#include <linux/bvec.h>

#include "bio.h"
#include "compat.h"
#include "log.h"
#include "pair.h"
#include "target.h"

static_assert(DMR_MAIN_MAX_SECTORS == 1ull << (BITS_PER_LONG - DMR_RECORD_START_SHIFT));
static_assert(UINT_MAX >> SECTOR_SHIFT == (1u << DMR_RECORD_SECTORS_BITS) - 1);
static_assert(__alignof__(struct dmr_bio) > DMR_RECORD_FLAGS);
static_assert(sizeof(struct dmr_bio) % __alignof__(struct dmr_bio) == 0);

static __always_inline unsigned long dmr_enter(const struct dmr_target *target)
{
	return dmr_inflight_enter(&target->pair->host.inflight);
}

static __always_inline void dmr_leave(const struct dmr_target *target, unsigned long flags)
{
	dmr_inflight_leave(&target->pair->host.inflight, flags & DMR_RECORD_PHASE);
}

static __always_inline bool dmr_data_begins_at_start(const struct bio *bio)
{
	return !(bio->bi_iter.bi_idx | bio->bi_iter.dmr_bi_offset);
}

static __always_inline void *dmr_short_record(const struct bio *bio, unsigned long flags)
{
	return (void *)(bio->bi_iter.bi_sector << DMR_RECORD_START_SHIFT |
			bio->bi_iter.bi_size >> (SECTOR_SHIFT - DMR_RECORD_SECTORS_SHIFT) | flags);
}

/*
 * bio_set_dev() for a bio that is not @bdev's yet. All that map() gets belong to device-mapper's own
 * disk, so what bio_set_dev() does for a bio that stays where it is, is left out by the compiler:
 * seven instructions.
 */
static __always_inline void dmr_set_other_dev(struct bio *bio, struct block_device *bdev)
{
	if (bio->bi_bdev == bdev)
		__builtin_unreachable();
	bio_set_dev(bio, bdev);
}

static enum dmr_direction dmr_direction_of(const struct bio *bio)
{
	if (bio_op(bio) == REQ_OP_DISCARD)
		return DMR_DISCARD;
	return op_is_write(bio_op(bio)) ? DMR_WRITE : DMR_READ;
}

static struct dmr_bio *dmr_bio_of(struct bio *bio)
{
	return dm_per_bio_data(bio, sizeof(struct dmr_bio));
}

static void dmr_fill_request(struct dmr_bio *data, const struct bio *bio, u64 sector, u32 sectors)
{
	data->request = (struct dmr_request){
		.sector = sector,
		.sectors = sectors,
		.is_write = op_is_write(bio_op(bio)),
	};
}

/* Before the bio is changed for the device it goes to. */
static struct dmr_bio *dmr_long_record(struct bio *bio, unsigned long flags)
{
	struct dmr_bio *data = dmr_bio_of(bio);

	dmr_fill_request(data, bio, bio->bi_iter.bi_sector, bio_sectors(bio));
	data->bio = bio;
	data->data_index = bio->bi_iter.bi_idx;
	data->data_offset = bio->bi_iter.dmr_bi_offset;
	data->device = DMR_MAIN;
	data->is_flush = false;
	data->verify = false;
	data->status = BLK_STS_IOERR;
	bio->bi_private = (void *)((unsigned long)data | DMR_RECORD_POINTER | flags);
	return data;
}

/* The record of a bio that end_io() got, out of line in any case. */
static struct dmr_bio *dmr_record_of(struct bio *bio, unsigned long record)
{
	struct dmr_bio *data;

	if (record & DMR_RECORD_POINTER)
		return (struct dmr_bio *)(record & ~DMR_RECORD_FLAGS);
	data = dmr_bio_of(bio);
	dmr_fill_request(data, bio, record >> DMR_RECORD_START_SHIFT,
			 record >> DMR_RECORD_SECTORS_SHIFT &
				 ((1u << DMR_RECORD_SECTORS_BITS) - 1));
	data->bio = bio;
	data->data_index = 0;
	data->data_offset = 0;
	data->device = DMR_MAIN;
	data->is_flush = false;
	data->verify = false;
	return data;
}

static int dmr_end_in_map(struct bio *bio)
{
	bio->bi_private = (void *)DMR_RECORD_ENDED;
	bio_endio(bio);
	return DM_MAPIO_SUBMITTED;
}

/*
 * device-mapper sends an empty bio for each device. Only the second one may be ended here: it is
 * freed by that, and device-mapper still looks at the first one after map().
 */
static int dmr_map_flush(const struct dmr_target *target, struct bio *bio)
{
	struct dmr_bio *data;
	u64 ticket;

	if (dm_bio_get_target_bio_nr(bio) == 0) {
		bio->bi_private = (void *)DMR_RECORD_ENDED; /* end_io() has nothing to do */
		bio_set_dev(bio, target->main_bdev);
		return DM_MAPIO_REMAPPED;
	}
	switch (dmr_spare_flush_begin(target->pair->engine, &ticket)) {
	case DMR_FLUSH_SKIP:
		return dmr_end_in_map(bio);
	case DMR_FLUSH_ISSUE:
		data = dmr_long_record(bio, 0);
		data->device = DMR_SPARE;
		data->is_flush = true;
		data->flush_ticket = ticket;
		bio_set_dev(bio, target->spare_bdev);
		return DM_MAPIO_REMAPPED;
	case DMR_FLUSH_FAIL:
		break;
	}
	return DM_MAPIO_KILL;
}

/* Not even tried: the worker alone can write these sectors now. */
static int dmr_map_to_worker(const struct dmr_target *target, struct bio *bio, unsigned long flags)
{
	if (bio->bi_opf & REQ_NOWAIT) {
		dmr_leave(target, flags);
		bio->bi_private = (void *)DMR_RECORD_ENDED;
		bio_wouldblock_error(bio);
		return DM_MAPIO_SUBMITTED;
	}
	dmr_pair_park(target->pair, &dmr_long_record(bio, flags)->request);
	dmr_leave(target, flags);
	return DM_MAPIO_SUBMITTED;
}

/* What is on main as a whole, with its data at the start of its vector. */
static __always_inline int dmr_map_plain(const struct dmr_target *target, struct bio *bio,
					 unsigned long flags)
{
	bio->bi_private = dmr_short_record(bio, flags);
	dmr_set_other_dev(bio, target->main_bdev);
	return DM_MAPIO_REMAPPED;
}

/* Sends what map() has counted to its place; @place says how much of it goes there. */
static int dmr_map_to_place(const struct dmr_target *target, struct bio *bio, unsigned long flags,
			    const struct dmr_place *place)
{
	struct dmr_bio *data;

	data = dmr_long_record(bio, flags);
	if (place->kind == DMR_PLACE_MAIN) {
		dmr_set_other_dev(bio, target->main_bdev);
	} else {
		data->device = DMR_SPARE;
		dmr_set_other_dev(bio, target->spare_bdev);
	}
	bio->bi_iter.bi_sector = place->sector;
	data->verify = place->verify;
	/* Out of the drive's write cache, before it is asked for it. Others than plain writes can't
	 * have the flag; the worker flushes after them.
	 */
	if (place->verify && bio_op(bio) == REQ_OP_WRITE)
		bio->bi_opf |= REQ_FUA;
	return DM_MAPIO_REMAPPED;
}

static noinline int dmr_map_slow(const struct dmr_target *target, struct bio *bio,
				 unsigned long flags)
{
	const enum dmr_direction direction = dmr_direction_of(bio);
	struct dmr_place place;

	if (bio->bi_opf & REQ_PREFLUSH) {
		dmr_leave(target, flags);
		return dmr_map_flush(target, bio);
	}
	/* On a small disk regions are small: what is long may still be plain. */
	if (dmr_data_begins_at_start(bio) &&
	    dmr_all_on_main_long(&target->regions, bio->bi_iter.bi_sector, bio->bi_iter.bi_size))
		return dmr_map_plain(target, bio, flags);
	if (!flags)
		flags = dmr_enter(target);
	dmr_route(target->pair->engine, bio->bi_iter.bi_sector, bio_sectors(bio), direction,
		  &place);
	if (place.sectors < bio_sectors(bio))
		dm_accept_partial_bio(bio, place.sectors);

	switch (place.kind) {
	case DMR_PLACE_SPARE:
	case DMR_PLACE_MAIN:
		return dmr_map_to_place(target, bio, flags, &place);
	case DMR_PLACE_WORKER:
		/* The worker makes writes of all it gets. */
		if (!WARN_ON_ONCE(direction != DMR_WRITE))
			return dmr_map_to_worker(target, bio, flags);
		break;
	case DMR_PLACE_NONE:
		dmr_leave(target, flags);
		return dmr_end_in_map(bio);
	case DMR_PLACE_ERROR:
		break;
	}
	dmr_leave(target, flags);
	return DM_MAPIO_KILL;
}

/* Expanded for writes and for reads, so that reads don't carry the flags of writes along. */
static __always_inline int dmr_map_counted(const struct dmr_target *target, struct bio *bio,
					   unsigned long flags)
{
	/* An empty flush is not plain either. */
	if (unlikely(!dmr_all_on_main(&target->regions, bio->bi_iter.bi_sector,
				      bio->bi_iter.bi_size) ||
		     !dmr_data_begins_at_start(bio)))
		return dmr_map_slow(target, bio, flags);
	return dmr_map_plain(target, bio, flags);
}

int dmr_map(struct dm_target *ti, struct bio *bio)
{
	const struct dmr_target *target = ti->private;

	if (op_is_write(bio->bi_opf))
		return dmr_map_counted(target, bio, dmr_enter(target));
	return dmr_map_counted(target, bio, 0);
}

/*
 * sd offers to write zeros until the disk refuses that for the first time, with an error that could as
 * well be the medium's. Whoever asked for it then writes them.
 */
static bool dmr_offers_no_zeroing(const struct dmr_target *target, const struct bio *bio,
				  const struct dmr_bio *data)
{
	return bio_op(bio) == REQ_OP_WRITE_ZEROES &&
	       !bdev_write_zeroes_sectors(data->device == DMR_MAIN ? target->main_bdev :
								     target->spare_bdev);
}

/* Whether the worker has taken it; otherwise *error is what the application is told. */
static noinline bool dmr_failed(const struct dmr_target *target, struct bio *bio,
				struct dmr_bio *data, blk_status_t *error)
{
	const bool failfast = bio->bi_opf & (REQ_FAILFAST_MASK | REQ_RAHEAD);
	const enum dmr_direction direction = dmr_direction_of(bio);
	const enum dmr_sts sts = dmr_offers_no_zeroing(target, bio, data) ? DMR_STS_NOTSUPP :
									    dmr_sts_of(*error);

	if (dmr_engine_failed(target->pair->engine, data->device, direction, sts, failfast)) {
		data->status = *error;
		data->request.failed = 1;
		dmr_pair_park(target->pair, &data->request);
		return true;
	}
	if (direction == DMR_READ && !failfast && dmr_sts_is_medium(sts))
		*error = BLK_STS_IOERR;
	return false;
}

static noinline int dmr_end_io_slow(const struct dm_target *ti, struct bio *bio,
				    blk_status_t *error)
{
	const struct dmr_target *target = ti->private;
	const unsigned long record = (unsigned long)bio->bi_private;
	struct dmr_engine *engine = target->pair->engine;
	struct dmr_bio *data;
	bool parked = false;

	if ((record & DMR_RECORD_FLAGS) == DMR_RECORD_ENDED)
		return DM_ENDIO_DONE;
	data = dmr_record_of(bio, record);
	if (data->is_flush) {
		dmr_spare_flush_end(engine, data->flush_ticket, dmr_sts_of(*error));
		return DM_ENDIO_DONE;
	}
	if (data->device == DMR_SPARE && op_is_write(bio->bi_opf))
		dmr_spare_written(engine);
	if (*error) {
		parked = dmr_failed(target, bio, data, error);
	} else if (data->verify) {
		data->request.verify = 1;
		data->request.cached = bio_op(bio) != REQ_OP_WRITE;
		dmr_pair_park(target->pair, &data->request);
		parked = true;
	}
	/* Once parked and not counted, bio, target and pair may be gone. */
	if (record & DMR_RECORD_PHASE)
		dmr_leave(target, record);
	return parked ? DM_ENDIO_INCOMPLETE : DM_ENDIO_DONE;
}

int dmr_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	unsigned long flags;

	if (unlikely(*error))
		return dmr_end_io_slow(ti, bio, error);
	flags = (unsigned long)bio->bi_private & DMR_RECORD_FLAGS;
	if (!flags)
		return DM_ENDIO_DONE; /* a read from main */
	/* Ended before, or recorded out of line; with a phase there may be a pointer. */
	if (unlikely(flags >= DMR_RECORD_ENDED))
		return dmr_end_io_slow(ti, bio, error);
	dmr_inflight_leave(&((const struct dmr_target *)ti->private)->pair->host.inflight, flags);
	return DM_ENDIO_DONE;
}

/* The bio's memory for its sectors from @offset_sectors on. */
static struct bvec_iter dmr_data_of(const struct dmr_request *request, u32 offset_sectors,
				    u32 sectors)
{
	const struct dmr_bio *data = container_of(request, struct dmr_bio, request);
	struct bvec_iter iter = {
		.bi_size = request->sectors << SECTOR_SHIFT,
		.bi_idx = data->data_index,
		.dmr_bi_offset = data->data_offset,
	};

	bvec_iter_advance(data->bio->bi_io_vec, &iter, offset_sectors << SECTOR_SHIFT);
	iter.bi_size = sectors << SECTOR_SHIFT;
	return iter;
}

void dmr_host_fetch(struct dmr_host *host, const struct dmr_request *request,
		    dmr_u32 offset_sectors, dmr_u32 sectors, void *buffer)
{
	const struct bio *bio = container_of(request, struct dmr_bio, request)->bio;
	struct bvec_iter iter;
	struct bio_vec vec;

	if (bio_op(bio) == REQ_OP_WRITE_ZEROES) {
		memset(buffer, 0, sectors << SECTOR_SHIFT);
		return;
	}
	for_each_bvec(vec, bio->bi_io_vec, iter, dmr_data_of(request, offset_sectors, sectors)) {
		memcpy_from_bvec(buffer, &vec);
		buffer += vec.bv_len;
	}
}

void dmr_host_store(struct dmr_host *host, const struct dmr_request *request,
		    dmr_u32 offset_sectors, dmr_u32 sectors, const void *buffer)
{
	const struct bio *bio = container_of(request, struct dmr_bio, request)->bio;
	struct bvec_iter iter;
	struct bio_vec vec;

	for_each_bvec(vec, bio->bi_io_vec, iter, dmr_data_of(request, offset_sectors, sectors)) {
		memcpy_to_bvec(&vec, buffer);
		buffer += vec.bv_len;
	}
}

void dmr_host_complete(struct dmr_host *host, struct dmr_request *request, enum dmr_outcome outcome)
{
	struct dmr_bio *data = container_of(request, struct dmr_bio, request);
	struct bio *bio = data->bio;

	switch (outcome) {
	case DMR_OUTCOME_OK:
		bio->bi_status = BLK_STS_OK;
		break;
	case DMR_OUTCOME_AS_FAILED:
		bio->bi_status = data->status;
		break;
	case DMR_OUTCOME_EIO:
		bio->bi_status = BLK_STS_IOERR;
		break;
	}
	bio->bi_private = (void *)DMR_RECORD_ENDED;
	bio_endio(bio);
}
