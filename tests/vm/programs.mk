# SPDX-License-Identifier: GPL-2.0
# The programs that run in virtual machines, each of one source and linked with tests/vm/lib/*.c: what
# is to be built is named, as build/vm/tests/test_table. Used by tests/vm/run-tests.

out := build/vm/tests
flags := -std=gnu11 -O1 -g -Wall -Wextra -Iinclude -Itests/vm/lib -MMD -MP
helpers := $(patsubst tests/vm/lib/%.c,$(out)/lib/%.o,$(sort $(wildcard tests/vm/lib/*.c)))

vpath %.c tests/vm tests/debug $(wildcard tests/vm/boots/*)

# Another compiler or other flags mean other objects.
$(shell mkdir -p $(out)/lib)
settings := $(CC) $(flags)
ifneq ($(file <$(out)/settings),$(settings))
$(file >$(out)/settings,$(settings))
endif

$(out)/%.o: %.c $(out)/settings
	$(CC) $(flags) -c -o $@ $<

$(out)/lib/%.o: tests/vm/lib/%.c $(out)/settings
	$(CC) $(flags) -c -o $@ $<

$(out)/%: $(out)/%.o $(helpers)
	$(CC) -o $@ $^ -ldevmapper -lcmocka -lpthread

-include $(wildcard $(out)/*.d $(out)/lib/*.d)
.SECONDARY:
