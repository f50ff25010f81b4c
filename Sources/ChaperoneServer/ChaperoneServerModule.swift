// ChaperoneServer
