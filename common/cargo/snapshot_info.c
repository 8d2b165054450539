#include "common/cargo/snapshot_info.h"

#include <stdlib.h>

void snapshot_info_done(struct snapshot_info *i)
{
	free(i->host);
	free(i->key);
	free(i->name);
	free(i->kind);
	*i = (struct snapshot_info){ 0 };
}

void snapshot_list_done(struct snapshot_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		snapshot_info_done(&l->items[i]);
	free(l->items);
	*l = (struct snapshot_list){ 0 };
}
