from core.edge.agent.main import main

main()
