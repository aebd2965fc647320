local cb = require "cellbench"
return cb.study {
  name  = "number", task = cb.task.adding { length = 8, train = 20, valid = 10, test = 10 },
  cells = { "rnn" }, hidden = 3, train = { epochs = 1, batch = 10 },
  search = cb.random { trials = 2 }, space = { rate = 1e-308 },
}
