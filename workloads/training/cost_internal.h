// What the price of a pass is put together from: a layer's work (layer_work.cc) and what its ranks
// exchange (exchange_cost.cc), for cost.cc.
#pragma once

#include "workloads/training/training.h"

namespace weft {

inline double TokensOfRank(const Training& t) {
  return static_cast<double>(t.micro_batch * t.sequence) / t.parallel.context;
}

// Outside the products that tensor ranks share.
inline double TokensOwned(const Training& t) {
  return TokensOfRank(t) / (t.parallel.sequence ? t.parallel.tensor : 1);
}

// Of tokens that experts get, what the busiest rank's do over an even share.
inline double LoadOfExperts(const Training& t) { return t.parallel.expert > 1 ? t.imbalance : 1; }

// Of some work of one micro-batch.
struct WorkSeconds {
  double forward = 0, backward = 0, weights = 0;  // backward: with the gradients of weights
  // Of products whose input tensor ranks gather: gradients of their inputs, of their weights.
  double cut_inputs = 0, cut_weights = 0;
  WorkSeconds& operator+=(const WorkSeconds& other) {
    forward += other.forward;
    backward += other.backward;
    weights += other.weights;
    cut_inputs += other.cut_inputs;
    cut_weights += other.cut_weights;
    return *this;
  }
};

// One linear layer, whose products nobody shares.
WorkSeconds Linear(const Training& training, double m, double n, double k, const GpuRates& gpu,
                   double groups = 1);

// Of one layer on one GPU.
WorkSeconds Attention(const Training& training, const GpuRates& gpu);
WorkSeconds AttentionProducts(const Training& training, const GpuRates& gpu);
WorkSeconds FeedForwardProducts(const Training& training, double tokens, double width,
                                const GpuRates& gpu, double groups = 1);
WorkSeconds SharedExperts(const Training& training, const GpuRates& gpu);
WorkSeconds Experts(const Training& training, const GpuRates& gpu);
WorkSeconds Elementwise(const Training& training, bool with_experts, const GpuRates& gpu);
WorkSeconds Permute(const Training& training, const GpuRates& gpu);

// Of one layer's collectives, alone and behind the work that may hide them. `count`: gathers and
// scatters. `dealt`: tokens are dealt to ranks of experts.
double TensorCount(const Training& training, bool dealt);
double LessOfLatents(const Training& training);
Exchange TensorExchange(const Training& training, double count, double work_s, const NetRates& net);
Exchange TensorBackward(const Training& training, double count, const WorkSeconds& products,
                        const NetRates& net);
Exchange DealtRings(const Training& training, bool dealt, const NetRates& net);
Exchange ContextExchange(const Training& training, double count, double work_s,
                         const NetRates& net);
Exchange ExpertExchange(const Training& training, double work_s, const NetRates& net);

void Add(Exchange& sum, const Exchange& one, double times);

}  // namespace weft
