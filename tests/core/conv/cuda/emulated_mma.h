// A warp's products by tensor cores, on a processor: its threads put down their words, and each adds
// up its own sums from those of all, by the layout that the PTX ISA has for fragments.
#include <algorithm>

namespace emulated {
static float number_of(unsigned bits) {
    float number;
    std::memcpy(&number, &bits, sizeof number);
    return number;
}
static unsigned bits_of(float number) {
    unsigned bits;
    std::memcpy(&bits, &number, sizeof bits);
    return bits;
}

// To the nearest with eleven significant bits; ties away from zero.
static unsigned tf32_of(float number) {
    return std::isfinite(number) ? bits_of(number) + 0x1000 & ~0x1fffu : bits_of(number);
}

// To the nearest with eight significant bits; ties to even.
static unsigned bfloat16_of(float number) {
    const unsigned bits = bits_of(number);
    if (std::isnan(number))
        return 0x7fff;
    return bits + 0x7fff + (bits >> 16 & 1) >> 16;
}

constexpr int WARPS = 32, MOST_WORDS = 64;
static unsigned put_down[WARPS][32][MOST_WORDS];

// `left` are four words for each 16 rows, `right` two for each 8 columns, `sums` four for each pair.
template <int PLACES, class Value>
void multiply_words(
    const unsigned *left, int rows, const unsigned *right, int columns, float *sums,
    const Value &value) {
    const int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    auto &words = put_down[thread / 32];
    const int lane = thread % 32, right_words = 4 * rows;
    std::copy(left, left + 4 * rows, words[lane]);
    std::copy(right, right + 2 * columns, words[lane] + right_words);
    swapcontext(fibre, &scheduler);
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++)
            for (int i = 0; i < 4; i++) {
                const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
                double sum = sums[(r * columns + c) * 4 + i];
                for (int word = 0; word < 8; word++)
                    for (int place = 0; place < PLACES; place++)
                        sum += (double)value(
                                   words[row % 8 * 4 + word % 4][r * 4 + word / 4 * 2 + row / 8],
                                   place) *
                               value(
                                   words[column * 4 + word % 4][right_words + c * 2 + word / 4],
                                   place);
                sums[(r * columns + c) * 4 + i] = sum;
            }
    swapcontext(fibre, &scheduler);
}
}  // namespace emulated
