#include "places.h"

uint64_t fg_place_patches(void) {
    return 0;
}

uint64_t fg_place_vision_block(uint64_t block, fg_sublayer sublayer) {
    return 1 + FG_SUB_COUNT * block + (uint64_t)sublayer;
}

uint64_t fg_place_adapter(const fg_proof_places *places) {
    return fg_place_vision_block(places->vision_blocks, FG_SUB_MIXER);
}

uint64_t fg_place_embedding(const fg_proof_places *places) {
    return places->image ? fg_place_adapter(places) + 1 : 0;
}

uint64_t fg_place_block(const fg_proof_places *places, uint64_t block, fg_sublayer sublayer) {
    return fg_place_embedding(places) + 1 + FG_SUB_COUNT * block + (uint64_t)sublayer;
}

uint64_t fg_place_final_norm(const fg_proof_places *places, uint64_t head) {
    return fg_place_block(places, places->blocks, FG_SUB_MIXER) + head;
}

/* ---- names ---- */

static fg_place_name part_alone(const char *part) {
    return (fg_place_name){.part = part, .block = FG_NO_BLOCK};
}

/* Of a place so far behind the first of its stack's blocks. */
static fg_place_name part_of_block(uint64_t within, bool vision) {
    static const char *const parts[FG_SUB_COUNT] = {"mixer", "mlp"};
    return (fg_place_name){
        .part = parts[within % FG_SUB_COUNT], .block = (int64_t)(within / FG_SUB_COUNT), .vision = vision};
}

fg_place_name fg_place_name_of(const fg_proof_places *places, uint64_t place) {
    if (place < fg_place_embedding(places)) {
        if (place == fg_place_patches()) return part_alone("patches");
        if (place == fg_place_adapter(places)) return part_alone("adapter");
        return part_of_block(place - fg_place_vision_block(0, FG_SUB_MIXER), true);
    }
    if (place == fg_place_embedding(places)) return part_alone("embedding");
    if (place == fg_place_final_norm(places, 0)) return part_alone("final_norm");
    if (place > fg_place_final_norm(places, 0)) return part_alone("further_final_norm");
    return part_of_block(place - fg_place_block(places, 0, FG_SUB_MIXER), false);
}
